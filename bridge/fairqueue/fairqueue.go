// Package fairqueue shares a few slots among many who wait for one.
//
// Everyone who waits belongs to a group, such as a network address. Groups are served in rotation, and each group in the order of
// arrival, so that a group with a thousand waiting delays another group's first by at most one slot. The number that wait is bounded:
// beyond it the largest group loses the one that came last.
package fairqueue

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// ErrFull says that too many wait already, and none of the groups has more waiting than the caller's.
var ErrFull = errors.New("too many are waiting")

// ErrGivenUp says that the caller stopped waiting.
var ErrGivenUp = errors.New("stopped waiting")

// Queue hands out slots. Safe for concurrent use.
type Queue struct {
	most int // that may wait; set once

	mu      sync.Mutex
	free    int               // slots; guarded by mu
	waiting int               // guarded by mu
	groups  map[string]*group // those of which somebody waits; guarded by mu
	order   list.List         // of the same *group, the next to be served first; guarded by mu
}

// group is everyone who waits under one name. Guarded by the queue's mu.
type group struct {
	name    string
	waiting list.List // of *waiter, the oldest first
	at      *list.Element
}

// waiter waits for one slot. outcome gets nil with the slot or [ErrFull]; its buffer of one keeps who sends it from waiting.
type waiter struct {
	outcome chan error
	at      *list.Element // nil: no longer waiting; guarded by the queue's mu
}

// New returns a queue with so many slots, all free, for which at most most may wait.
func New(slots, most int) *Queue {
	return &Queue{free: slots, most: most, groups: make(map[string]*group)}
}

// Acquire takes a slot, for which it waits until ctx ends. The error is nil with a slot, which has to be given back with
// [Queue.Release]; otherwise [ErrFull] or what ctx says.
func (q *Queue) Acquire(ctx context.Context, name string) error {
	if err := q.AcquireUntil(ctx.Done(), name); err != ErrGivenUp {
		return err
	}
	return ctx.Err()
}

// AcquireUntil is Acquire for a caller that waits until done is closed. The error is [ErrGivenUp] then.
func (q *Queue) AcquireUntil(done <-chan struct{}, name string) error {
	q.mu.Lock()
	if q.free > 0 {
		q.free--
		q.mu.Unlock()
		return nil
	}
	if q.waiting >= q.most && !q.makeRoom(name) {
		q.mu.Unlock()
		return ErrFull
	}
	g, w := q.join(name)
	q.mu.Unlock()
	select {
	case err := <-w.outcome:
		return err
	case <-done:
		q.mu.Lock()
		if w.at != nil {
			q.remove(g, w)
			q.mu.Unlock()
			return ErrGivenUp
		}
		q.mu.Unlock()
		if <-w.outcome == nil {
			q.Release() // it came too late
		}
		return ErrGivenUp
	}
}

// Release gives a slot back, to the next group in the rotation if anybody waits.
func (q *Queue) Release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	front := q.order.Front()
	if front == nil {
		q.free++
		return
	}
	g := front.Value.(*group)
	q.order.MoveToBack(front)
	w := g.waiting.Front().Value.(*waiter)
	q.remove(g, w)
	w.outcome <- nil
}

// Busy reports whether whoever comes now would wait.
func (q *Queue) Busy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free == 0
}

// Waiting returns how many wait.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// join adds one who waits. The caller holds mu.
func (q *Queue) join(name string) (*group, *waiter) {
	g := q.groups[name]
	if g == nil {
		g = &group{name: name}
		g.at = q.order.PushBack(g)
		q.groups[name] = g
	}
	w := &waiter{outcome: make(chan error, 1)}
	w.at = g.waiting.PushBack(w)
	q.waiting++
	return g, w
}

// remove takes one who waits out. The caller holds mu.
func (q *Queue) remove(g *group, w *waiter) {
	g.waiting.Remove(w.at)
	w.at = nil
	q.waiting--
	if g.waiting.Len() == 0 {
		q.order.Remove(g.at)
		delete(q.groups, g.name)
	}
}

// makeRoom sends away the last of the largest group, unless that is no larger than the one named. The caller holds mu.
func (q *Queue) makeRoom(name string) bool {
	var largest *group
	for _, g := range q.groups {
		if largest == nil || g.waiting.Len() > largest.waiting.Len() {
			largest = g
		}
	}
	own := 0
	if g := q.groups[name]; g != nil {
		own = g.waiting.Len()
	}
	if largest == nil || largest.waiting.Len() <= own+1 {
		return false
	}
	w := largest.waiting.Back().Value.(*waiter)
	q.remove(largest, w)
	w.outcome <- ErrFull
	return true
}

// Package fairqueue shares a few slots among many who wait for one.
//
// Everyone belongs to a group, such as a network address. Groups are served in rotation, and each group in the order of
// arrival, so that a group with a thousand waiting delays another group's first by at most one slot. The number that wait is bounded:
// beyond it the largest group loses the one that came last. [Queue.Room] tells beforehand who would be served soon.
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
	slots int // in all; set once
	most  int // that may wait; set once

	mu      sync.Mutex
	free    int               // slots; guarded by mu
	waiting int               // guarded by mu
	groups  map[string]*group // those of which somebody waits or has a slot; guarded by mu
	order   list.List         // of the *group of which somebody waits, the next to be served first; guarded by mu
	sizes   map[int]int       // how many groups have a size; guarded by mu
	largest int               // of these sizes; guarded by mu
}

// group is everyone under one name. Guarded by the queue's mu.
type group struct {
	name    string
	serving int           // slots that it has
	waiting list.List     // of *waiter, the oldest first
	at      *list.Element // in the queue's order; nil: nobody waits
}

// size is how many belong to the group.
func (g *group) size() int { return g.serving + g.waiting.Len() }

// waiter waits for one slot. outcome gets nil with the slot or [ErrFull]; its buffer of one keeps who sends it from waiting.
type waiter struct {
	outcome chan error
	at      *list.Element // nil: no longer waiting; guarded by the queue's mu
}

// New returns a queue with so many slots, all free, for which at most most may wait.
func New(slots, most int) *Queue {
	return &Queue{slots: slots, free: slots, most: most, groups: make(map[string]*group), sizes: make(map[int]int)}
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
		g := q.group(name)
		g.serving++
		q.resized(g, +1)
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
		defer q.mu.Unlock()
		if w.at != nil {
			q.remove(g, w)
		} else if <-w.outcome == nil {
			q.release(g) // it came too late
		}
		return ErrGivenUp
	}
}

// Release gives back a slot that the group has, to the next group in the rotation if anybody waits.
func (q *Queue) Release(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(q.groups[name])
}

// release gives a slot of the group back. The caller holds mu.
func (q *Queue) release(g *group) {
	g.serving--
	q.resized(g, -1)
	front := q.order.Front()
	if front == nil {
		q.free++
		return
	}
	next := front.Value.(*group)
	q.order.MoveToBack(front)
	w := next.waiting.Front().Value.(*waiter)
	next.serving++ // before the group is left with nobody
	q.resized(next, +1)
	q.remove(next, w)
	w.outcome <- nil
}

// Room reports whether one more of a group would be served soon: there is a slot, or the group has less than its share of the slots and
// another one has more than it, so that it is not for its own number that it has to wait. Of such groups no more wait than there are slots:
// when many of them come at once, most have to come back later.
func (q *Queue) Room(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.free > 0 {
		return true
	}
	own, groups := 0, len(q.groups)
	if g := q.groups[name]; g != nil {
		own = g.size()
	} else {
		groups++
	}
	return own < max(1, q.slots/groups) && own+1 < q.largest && q.order.Len() <= q.slots
}

// Waiting returns how many wait.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// join adds one who waits. The caller holds mu.
func (q *Queue) join(name string) (*group, *waiter) {
	g := q.group(name)
	if g.at == nil {
		g.at = q.order.PushBack(g)
	}
	w := &waiter{outcome: make(chan error, 1)}
	w.at = g.waiting.PushBack(w)
	q.waiting++
	q.resized(g, +1)
	return g, w
}

// group returns the group of this name, which is forgotten when it is empty. The caller holds mu.
func (q *Queue) group(name string) *group {
	g := q.groups[name]
	if g == nil {
		g = &group{name: name}
		q.groups[name] = g
	}
	return g
}

// resized notes that a group has one more or one less. The caller holds mu.
func (q *Queue) resized(g *group, by int) {
	size := g.size()
	if before := size - by; before > 0 {
		if q.sizes[before]--; q.sizes[before] == 0 {
			delete(q.sizes, before)
			if before == q.largest {
				q.largest = size // if it is larger, it is the only one
			}
		}
	}
	if size == 0 {
		delete(q.groups, g.name)
		return
	}
	q.sizes[size]++
	q.largest = max(q.largest, size)
}

// remove takes one who waits out. The caller holds mu.
func (q *Queue) remove(g *group, w *waiter) {
	g.waiting.Remove(w.at)
	w.at = nil
	q.waiting--
	if g.waiting.Len() == 0 {
		q.order.Remove(g.at)
		g.at = nil
	}
	q.resized(g, -1)
}

// makeRoom sends away the last of the group of which most wait, unless those are no more than of the one named. The caller holds mu.
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

package fairqueue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/fairqueue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line lets people wait in a queue of one slot, which it holds itself, and notes in which order they were served.
type line struct {
	q *fairqueue.Queue

	mu     sync.Mutex
	served []string
	wg     sync.WaitGroup
}

func newLine(t *testing.T, most int) *line {
	l := &line{q: fairqueue.New(1, most)}
	if err := l.q.Acquire(t.Context(), "holder"); err != nil {
		t.Fatal(err)
	}
	return l
}

// wait adds one who waits.
func (l *line) wait(ctx context.Context, group string) {
	l.wg.Go(func() {
		err := l.q.Acquire(ctx, group)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.served = append(l.served, fmt.Sprintf("%s: %v", group, err))
			return
		}
		l.served = append(l.served, group)
		l.q.Release(group)
	})
	synctest.Wait()
}

func (l *line) end() []string {
	l.q.Release("holder")
	l.wg.Wait()
	return l.served
}

// TestGroupsAreServedInRotation: one who waits alone is second at the latest, however many of another group came first.
func TestGroupsAreServedInRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 100)
		for range 50 {
			l.wait(t.Context(), "flood")
		}
		l.wait(t.Context(), "honest")
		l.wait(t.Context(), "other")
		got := l.end()
		if want := []string{"flood", "honest", "other", "flood"}; !slices.Equal(got[:4], want) || len(got) != 52 {
			t.Errorf("%d were served, first %v, want %v", len(got), got[:4], want)
		}
	})
}

// TestTheLargestGroupLoses: a full queue has room for who comes from elsewhere, and not for more of the same.
func TestTheLargestGroupLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 4)
		for range 6 {
			l.wait(t.Context(), "flood")
		}
		for _, group := range []string{"a", "b", "c", "d"} {
			l.wait(t.Context(), group)
		}
		if n := l.q.Waiting(); n != 4 {
			t.Errorf("%d wait, want 4", n)
		}
		got := l.end()
		full := "flood: " + fairqueue.ErrFull.Error()
		want := []string{full, full, full, full, full, "d: " + fairqueue.ErrFull.Error(), "flood", "a", "b", "c"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

// TestWhoGivesUpTakesNothing: a wait that ends leaves neither a waiter nor a slot behind.
func TestWhoGivesUpTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, 4)
		ctx, cancel := context.WithCancel(t.Context())
		l.wait(ctx, "a")
		l.wait(t.Context(), "b")
		cancel()
		synctest.Wait()
		if got, want := l.end(), []string{"a: context canceled", "b"}; !slices.Equal(got, want) || l.q.Waiting() != 0 {
			t.Errorf("%q, %d wait, want %q", got, l.q.Waiting(), want)
		}
		if err := l.q.Acquire(t.Context(), "c"); err != nil {
			t.Error(err)
		}
	})
}

// TestSlotsAreKept: whatever is given up at whatever moment, no more hold a slot than there are, and in the end all are free.
func TestSlotsAreKept(t *testing.T) {
	const slots = 3
	q := fairqueue.New(slots, 20)
	var wg sync.WaitGroup
	var mu sync.Mutex
	holding, most := 0, 0
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			err := q.Acquire(ctx, fmt.Sprint(i%7))
			if err != nil && !errors.Is(err, fairqueue.ErrFull) && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if err != nil {
				return
			}
			mu.Lock()
			holding++
			most = max(most, holding)
			mu.Unlock()
			mu.Lock()
			holding--
			mu.Unlock()
			q.Release(fmt.Sprint(i % 7))
		})
		if i%3 == 0 {
			wg.Go(cancel)
		} else {
			defer cancel()
		}
	}
	wg.Wait()
	if most > slots || q.Waiting() != 0 {
		t.Errorf("%d held a slot at once, %d wait", most, q.Waiting())
	}
	for range slots {
		if err := q.Acquire(t.Context(), "last"); err != nil {
			t.Error(err)
		}
	}
}

// TestRoom: while all slots are taken there is room for one who does not wait for others of its own group, but for those of a larger one, and
// for no more of these than there are slots.
func TestRoom(t *testing.T) {
	for name, c := range map[string]struct {
		slots   int
		present []string // in this order
		comes   string
		want    bool
	}{
		"a slot is free":             {2, []string{"flood"}, "flood", true},
		"the flood itself":           {2, []string{"flood", "flood"}, "flood", false},
		"beside a flood":             {2, []string{"flood", "flood"}, "honest", true},
		"beside a flood that waits":  {1, []string{"flood", "flood", "flood"}, "honest", true},
		"within its share":           {4, []string{"flood", "flood", "flood", "flood", "honest"}, "honest", true},
		"beyond its share":           {4, []string{"flood", "flood", "flood", "flood", "flood", "honest", "honest"}, "honest", false},
		"everybody has one":          {2, []string{"a", "b"}, "c", false},
		"as many wait as are served": {2, []string{"flood", "flood", "flood", "a", "b", "c"}, "d", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := fairqueue.New(c.slots, 100)
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for _, group := range c.present {
					wg.Go(func() {
						if q.Acquire(ctx, group) == nil {
							<-ctx.Done()
							q.Release(group)
						}
					})
					synctest.Wait()
				}
				if got := q.Room(c.comes); got != c.want {
					t.Errorf("room for one more is %v", got)
				}
				cancel()
				wg.Wait()
				for range c.slots { // nothing is left of anybody
					if !q.Room("anybody") || q.Acquire(t.Context(), "anybody") != nil {
						t.Fatal("slots are lost")
					}
				}
				if q.Room("other") != (c.slots > 1) {
					t.Error("those who have gone are still counted")
				}
			})
		})
	}
}

package current_test

import (
	"slices"
	"sync"
	"testing"

	"mqtt-ws-bridge/config/current"
)

// TestChange: a change happens as a whole, in order, or is taken back as a whole, in the other order.
func TestChange(t *testing.T) {
	var rate current.Value[int]
	var name current.Value[string]
	if rate.Load() != nil {
		t.Error("the zero value is not empty")
	}
	one, a := 1, "a"
	rate.Store(&one)
	name.Store(&a)

	prepare := func() (c *current.Change, events *[]string) {
		c, events = new(current.Change), new([]string)
		two, b := 2, "b"
		rate.Replace(c, &two)
		c.OnAbort(func() { *events = append(*events, "release rate") })
		name.Replace(c, &b)
		c.OnCommit(func() { *events = append(*events, "use") })
		c.OnAbort(func() { *events = append(*events, "release name") })
		return c, events
	}
	c, events := prepare()
	if *rate.Load() != 1 || *name.Load() != "a" {
		t.Error("preparing has changed a value")
	}
	c.Abort()
	if *rate.Load() != 1 || *name.Load() != "a" || !slices.Equal(*events, []string{"release name", "release rate"}) {
		t.Errorf("aborted: %v, %v, %v", *rate.Load(), *name.Load(), *events)
	}
	c, events = prepare()
	c.Commit()
	c.Abort() // as a deferred one does
	if *rate.Load() != 2 || *name.Load() != "b" || !slices.Equal(*events, []string{"use"}) {
		t.Errorf("committed: %v, %v, %v", *rate.Load(), *name.Load(), *events)
	}
}

// TestValueIsWhole: a reader has one value or the other.
func TestValueIsWhole(t *testing.T) {
	type pair struct{ a, b int }
	var v current.Value[pair]
	v.Store(new(pair))
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 1000 {
				if p := v.Load(); p.a != p.b {
					t.Errorf("read %v", *p)
					return
				}
			}
		})
	}
	for i := range 1000 {
		v.Store(&pair{i, i})
	}
	readers.Wait()
}

package fleet

import (
	"context"
	"sync"
)

// gate holds devices back while nobody is there to witness what they send: what the witness could not see says nothing
// about the endpoint.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open, guarded by mu
	is   bool
	gaps int
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) set(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case open && !g.is:
		close(g.open)
	case !open && g.is:
		g.open = make(chan struct{})
		g.gaps++
	}
	g.is = open
}

// closings returns how often the gate went shut.
func (g *gate) closings() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.gaps
}

// wait returns true when the gate is open, false when either context ended first.
func (g *gate) wait(ctx, other context.Context) bool {
	g.mu.Lock()
	open := g.open
	g.mu.Unlock()
	select {
	case <-open:
		return ctx.Err() == nil
	case <-ctx.Done():
	case <-other.Done():
	}
	return false
}

// broadcast tells everybody who waits, again and again.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{} // guarded by mu
}

func newBroadcast() *broadcast { return &broadcast{ch: make(chan struct{})} }

// next is closed at the next fire.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ch
}

func (b *broadcast) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.ch)
	b.ch = make(chan struct{})
}

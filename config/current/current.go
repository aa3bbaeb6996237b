package current

import (
	"slices"
	"sync/atomic"
)

// Value is a value of which there is one at a time. Its zero value is empty. It is safe for concurrent use: a reader has the value of the
// moment of its [Value.Load] for as long as it wants, and so nobody changes a value that has been stored.
type Value[T any] struct{ p atomic.Pointer[T] }

// Load returns the current value, nil if there is none.
func (v *Value[T]) Load() *T { return v.p.Load() }

// Store replaces the value at once. A reload uses [Value.Replace].
func (v *Value[T]) Store(next *T) { v.p.Store(next) }

// Replace has a change store the value when it is committed.
func (v *Value[T]) Replace(c *Change, next *T) { c.OnCommit(func() { v.Store(next) }) }

// Change is a set of replacements that come into effect together or not at all. Its zero value is empty. It belongs to one goroutine, and
// ends with either Commit or Abort.
type Change struct{ commit, abort []func() }

// OnCommit registers what puts something prepared into use. It must not fail and must not wait for the network.
func (c *Change) OnCommit(f func()) { c.commit = append(c.commit, f) }

// OnAbort registers what releases something prepared that is not used.
func (c *Change) OnAbort(f func()) { c.abort = append(c.abort, f) }

// Commit puts everything into use, in the order in which it was registered. Readers may see one value replaced and another not yet.
func (c *Change) Commit() {
	for _, f := range c.commit {
		f()
	}
	*c = Change{}
}

// Abort releases everything, the last first. After Commit it does nothing.
func (c *Change) Abort() {
	for _, f := range slices.Backward(c.abort) {
		f()
	}
	*c = Change{}
}

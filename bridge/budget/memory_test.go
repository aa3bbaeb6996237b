package budget

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestFindMemoryLimit: the key, then GOMEMLIMIT, then a share of what there is.
func TestFindMemoryLimit(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	debug.SetMemoryLimit(1 << 40)
	if got := FindMemoryLimit(5 << 20); got != (MemoryLimit{5 << 20, "limits.memory"}) {
		t.Errorf("configured: %v", got)
	}
	if got := FindMemoryLimit(0); got != (MemoryLimit{1 << 40, "GOMEMLIMIT"}) {
		t.Errorf("in the environment: %v", got)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	got := FindMemoryLimit(0)
	if got.From != "machine" && got.From != "control group" || got.Bytes < 16<<20 {
		t.Errorf("said nowhere: %v", got)
	}
}

// TestUsedMemoryIsWhatLives: memory that is held counts, garbage and what was given back do not.
func TestUsedMemoryIsWhatLives(t *testing.T) {
	const size = 32 << 20
	r := newMemoryReader()
	runtime.GC()
	before := r.read()
	held := make([]byte, size)
	runtime.GC()
	with := r.read()
	runtime.KeepAlive(held)
	held = nil
	runtime.GC()
	after := r.read()
	for range 8 { // garbage, less than makes the collector run
		_ = make([]byte, size/64)
	}
	garbage := r.read()
	near := func(a, b int64) bool { return a-b < size/8 && b-a < size/8 }
	if !near(with.used, before.used+size) || !near(after.used, before.used) || !near(garbage.used, before.used) {
		t.Errorf("used %d, with %d more %d, after it %d, with garbage %d", before.used, size, with.used, after.used, garbage.used)
	}
	if with.cycles == before.cycles {
		t.Error("collections are not counted")
	}
}

func BenchmarkReadMemory(b *testing.B) {
	r := newMemoryReader()
	for b.Loop() {
		r.read()
	}
}

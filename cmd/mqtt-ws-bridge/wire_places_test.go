package main

import (
	"runtime"
	"testing"
)

// TestLoopCount: docs/decisions/0010 says why Go gets one processor more than there are loops, however often a process is wired.
func TestLoopCount(t *testing.T) {
	n := loopCount()
	if n < 1 || runtime.GOMAXPROCS(0) != n+1 || loopCount() != n || runtime.GOMAXPROCS(0) != n+1 {
		t.Errorf("%d loops on %d processors", n, runtime.GOMAXPROCS(0))
	}
}

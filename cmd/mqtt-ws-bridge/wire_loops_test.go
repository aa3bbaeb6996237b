package main

import (
	"os"
	"runtime"
	"testing"
)

// TestLoopCount: docs/decisions/0010 says why Go gets one processor more than there are loops, however often a process is wired.
func TestLoopCount(t *testing.T) {
	n := loopCount()
	want := n + 1
	if os.Getenv("GOMAXPROCS") != "" {
		want = n
	}
	if n < 1 || runtime.GOMAXPROCS(0) != want || loopCount() != n || runtime.GOMAXPROCS(0) != want {
		t.Errorf("%d loops on %d processors", n, runtime.GOMAXPROCS(0))
	}
}

package mosquitto

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// Log collects the broker's log lines. Its methods may be used concurrently.
type Log struct {
	// guarded by mu
	mu    sync.Mutex
	lines []string
	rest  []byte        // a line that has not ended yet
	more  chan struct{} // closed and replaced at every new line
}

func newLog() *Log { return &Log{more: make(chan struct{})} }

// Write takes the broker's output.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			break
		}
		l.lines = append(l.lines, string(line))
		l.rest = rest
		close(l.more)
		l.more = make(chan struct{})
	}
	return len(p), nil
}

// String is everything the broker has said.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// tail is the last n lines.
func (l *Log) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}

// Count is the number of lines so far that contain all the given parts.
func (l *Log) Count(parts ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, line := range l.lines {
		if containsAll(line, parts) {
			n++
		}
	}
	return n
}

// WaitFor waits until the broker has said n lines that contain all the given parts, and fails the test after the timeout.
func (l *Log) WaitFor(t testing.TB, timeout time.Duration, n int, parts ...string) {
	t.Helper()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		more := l.next()
		seen := l.Count(parts...)
		if seen >= n {
			return
		}
		select {
		case <-more:
		case <-deadline.C:
			t.Fatalf("Mosquitto said %d lines with %q within %v, want %d", seen, parts, timeout, n)
		}
	}
}

// next is closed when a further line arrives.
func (l *Log) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.more
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

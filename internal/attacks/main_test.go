//go:build linux

package attacks

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/bridgeproc"
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// run runs the tests, then ends what they shared and looks for what is left behind.
func run(m *testing.M) int {
	status := m.Run()
	fmt.Print(report.String())
	if !shared.close() {
		status = 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	return status
}

// shared keeps what several tests use.
var shared = new(keeper)

// keeper is the testing.TB of things that outlive the test which started them. While they start, it stands for that test.
type keeper struct {
	testing.TB // the test that starts something; nil later

	failed   bool
	cleanups []func()
}

func (k *keeper) Helper()           {}
func (k *keeper) Failed() bool      { return k.failed }
func (k *keeper) Cleanup(f func())  { k.cleanups = append(k.cleanups, f) }
func (k *keeper) Error(args ...any) { k.Errorf("%s", fmt.Sprint(args...)) }

func (k *keeper) Errorf(format string, args ...any) {
	k.failed = true
	if k.TB != nil {
		k.TB.Errorf(format, args...)
		return
	}
	fmt.Fprintf(os.Stderr, "after the tests: "+format+"\n", args...)
}

func (k *keeper) Logf(format string, args ...any) {
	if k.TB != nil {
		k.TB.Logf(format, args...)
		return
	}
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

// TempDir is a directory that lasts until close.
func (k *keeper) TempDir() string {
	dir, err := os.MkdirTemp("", "attacks")
	if err != nil {
		k.Fatalf("make a directory: %v", err)
	}
	k.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			k.Error(err)
		}
	})
	return dir
}

// close ends everything, the last first, and reports whether it ended well.
func (k *keeper) close() bool {
	for _, f := range slices.Backward(k.cleanups) {
		f()
	}
	return !k.failed
}

// once makes something that lasts until the last test has ended, at the first call.
func once[T any](start func(t testing.TB) T) func(t testing.TB) T {
	var value T
	var made bool
	return func(t testing.TB) T {
		t.Helper()
		if !made {
			outer := shared.TB
			if t != testing.TB(shared) { // else it is within the start of another
				shared.TB = t
			}
			defer func() { shared.TB = outer }()
			value = start(shared)
			made = true
		}
		return value
	}
}

// program is the bridge's program.
var program = once(func(t testing.TB) string { return bridgeproc.Build(t) })

// report collects a line for each attack.
var report lines

type lines struct {
	mu  sync.Mutex
	all []string // guarded by mu
}

func (l *lines) add(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) == 0 {
		return ""
	}
	text := "what the innocent device saw, and what the bridge held afterwards:\n"
	for _, line := range l.all {
		text += line + "\n"
	}
	return text
}

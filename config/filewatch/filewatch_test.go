package filewatch_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/config/filewatch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// run runs the watch until the test ends and returns its looks.
func run(t *testing.T, files []string, unwatched func(error)) <-chan struct{} {
	looks := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		filewatch.Run(ctx, files, func() {
			select {
			case looks <- struct{}{}:
			default:
			}
		}, unwatched)
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return looks
}

func await(t *testing.T, looks <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-looks:
	case <-time.After(patience):
		t.Fatalf("no look %s", what)
	}
}

func TestRunLooks(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	write(t, one, "1")
	looks := run(t, []string{one, two}, func(err error) { t.Error(err) })
	await(t, looks, "at the beginning")
	write(t, one, "2")
	await(t, looks, "when a file was replaced")
	if err := os.WriteFile(two, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, looks, "when a file in another directory was made")
	if err := os.Remove(one); err != nil {
		t.Fatal(err)
	}
	await(t, looks, "when a file was removed")
}

func TestRunWithoutDirectory(t *testing.T) {
	told := make(chan error, 1)
	looks := run(t, []string{filepath.Join(t.TempDir(), "none", "a")}, func(err error) { told <- err })
	if err := <-told; err == nil {
		t.Error("no reason")
	}
	await(t, looks, "at the beginning")
}

func TestSum(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	seen := make(map[[32]byte]string)
	for _, step := range []struct{ name, a, b string }{{"none", "", ""}, {"one", "x", ""}, {"both", "x", "y"}, {"moved", "", "x"}, {"joined", "xy", "z"}, {"cut", "x", "yz"}} {
		for file, text := range map[string]string{a: step.a, b: step.b} {
			if _ = os.Remove(file); text != "" {
				write(t, file, text)
			}
		}
		sum := filewatch.Sum([]string{a, b})
		if other, ok := seen[sum]; ok {
			t.Errorf("%s is taken for %s", step.name, other)
		}
		seen[sum] = step.name
		if filewatch.Sum([]string{a, b}) != sum {
			t.Errorf("%s changes by itself", step.name)
		}
	}
}

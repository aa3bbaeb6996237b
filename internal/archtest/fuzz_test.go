//go:build unix

package archtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFuzzVerdict: the end of the time is no failure of a fuzz target, and all else that go test fails for is.
func TestFuzzVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		said         string
		status, want int
	}{
		"found nothing": {"PASS\nok\n", 0, 0},
		"time over":     {"fuzz: elapsed: 5s\n--- FAIL: FuzzX (5.01s)\n    context deadline exceeded\nFAIL\nexit status 1\n", 1, 0},
		"found an input": {"--- FAIL: FuzzX (0.01s)\n    --- FAIL: FuzzX (0.00s)\n        x_test.go:3: context deadline exceeded\n" +
			"    Failing input written to testdata/fuzz/FuzzX/1\nFAIL\n", 1, 1},
		"a seed fails": {"--- FAIL: FuzzX (0.01s)\n    --- FAIL: FuzzX/1 (0.00s)\n    context deadline exceeded\nFAIL\n", 1, 1},
		"two fail":     {"--- FAIL: FuzzX (5.01s)\n    context deadline exceeded\n--- FAIL: TestY (0.00s)\nFAIL\n", 1, 1},
		"no build":     {"FAIL x [build failed]\n", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			goes := filepath.Join(dir, "go")
			if err := os.WriteFile(filepath.Join(dir, "said"), []byte(c.said), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(goes, fmt.Appendf(nil, "cat '%s/said'\nexit %d\n", dir, c.status), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(filepath.Join(root, ".ci", "fuzz"), "-fuzz", "FuzzX")
			cmd.Env = append(os.Environ(), "GO=sh "+goes)
			out, err := cmd.CombinedOutput()
			if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.want {
				t.Errorf("exit status %d, want %d\n%s", got, c.want, out)
			}
		})
	}
}

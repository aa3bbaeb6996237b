//go:build unix

package install

import (
	"os"
	"syscall"
	"testing"
)

// lock keeps other test processes out of the named part until unlock is called: go test runs packages in parallel, and
// neither apt nor npm shares its directories.
func lock(t testing.TB, name string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(cacheDir(t)+"/"+name+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatalf("open the lock: %v", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if err != syscall.EINTR {
			break
		}
	}
	if err != nil {
		t.Fatalf("lock %s: %v", f.Name(), err)
	}
	// Closing the last descriptor gives the lock back, also when the process dies.
	return func() { _ = f.Close() }
}

package install

import (
	"os"
	"testing"
)

// missing ends the test because something it needs is not there and could not be brought: a failure in CI, a skip elsewhere.
func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// cacheDir is where everything is kept that outlives one test run and is no part of the repository.
func cacheDir(t testing.TB) string {
	t.Helper()
	base, err := os.UserCacheDir()
	if err != nil {
		// A daemon's environment may have no home; the lock and the downloads then live for one boot.
		base = os.TempDir()
	}
	dir := base + "/mqtt-ws-bridge-tests"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("make the cache of the tests: %v", err)
	}
	return dir
}

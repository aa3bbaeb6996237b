//go:build unix

package fleet

import "golang.org/x/sys/unix"

// fileLimit returns the soft limit on open files, which the Go runtime has raised to the hard one at start.
func fileLimit() (uint64, bool) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true //nolint:unconvert // signed on some systems
}

//go:build unix

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns the user and system time that this process has used.
func processorTime() (user, system time.Duration) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

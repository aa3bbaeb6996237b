//go:build unix

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns the user and system seconds that this process has used.
func processorTime() (user, system float64) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0
	}
	seconds := func(t unix.Timeval) float64 { return time.Duration(t.Nano()).Seconds() }
	return seconds(u.Utime), seconds(u.Stime)
}

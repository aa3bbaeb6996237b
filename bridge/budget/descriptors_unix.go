//go:build unix

package budget

import "syscall"

// MostDescriptors returns how many file descriptors this process may have, 0 if that is not known. Go has raised the soft limit
// to the hard one at start.
func MostDescriptors() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur) // signed on some systems
}

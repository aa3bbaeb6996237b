//go:build unix

package main

import "syscall"

// descriptors returns how many file descriptors this process may have. Go has raised the soft limit to the hard one at start.
func descriptors() (most uint64, known bool) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, false
	}
	return uint64(limit.Cur), true // signed on some systems
}

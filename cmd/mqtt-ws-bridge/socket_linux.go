package main

import "syscall"

// bornPrivate has bind make the file of a socket for the bridge's own user alone, whatever the umask: the kernel takes the mode of the
// socket itself. There is no moment in which others could connect.
func bornPrivate(_, _ string, socket syscall.RawConn) error {
	var failed error
	if err := socket.Control(func(fd uintptr) { failed = syscall.Fchmod(int(fd), 0o600) }); err != nil {
		return err
	}
	return failed
}

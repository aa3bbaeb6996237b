package upstream

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// sending reports whether bytes wait for the peer's acknowledgement.
func sending(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	waiting := 0
	_ = rc.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	return waiting > 0
}

package wire

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// portAtConnect lets the system choose the port when it knows both ends: the same port then serves connections to different
// destinations, and choosing one stays cheap with many in use.
func portAtConnect(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		// Without it connections work all the same, until ports run out earlier.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
}

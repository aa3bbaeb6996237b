package socket

import (
	"math"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const counts = true

// taken puts both counters of the kernel into one number. Bytes acknowledged are known of TCP alone, and of only a part of it in
// Multipath TCP; bytes not yet acknowledged, or not read, are known of Unix sockets too, and change with every write as well.
func taken(fd int) (uint64, bool) {
	left, ok := unacknowledged(fd)
	var acked uint64
	if info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
		acked = info.Bytes_acked
	}
	const most = 1 << 24
	return acked*most | uint64(left)%most, ok
}

func unacknowledged(fd int) (int, bool) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	return n, err == nil
}

func boundUnsent(fd, most int) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, most)
}

// setUnanswered sets TCP_USER_TIMEOUT, in milliseconds.
func setUnanswered(fd int, d time.Duration) {
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(min(d/time.Millisecond, math.MaxInt32)))
}

// most that the kernel takes for TCP_KEEPIDLE and TCP_KEEPINTVL, in seconds.
const mostProbeSeconds = 32767

func setProbe(nc net.Conn, d time.Duration) {
	r, found := raw(nc)
	if !found {
		return
	}
	_ = r.Control(func(fd uintptr) {
		if d <= 0 {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
			return
		}
		seconds := int(min((d+time.Second-1)/time.Second, mostProbeSeconds))
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT, probes)
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	})
}

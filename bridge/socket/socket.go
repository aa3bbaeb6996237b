// Package socket asks the kernel about the sockets of a session, and sets what Go's defaults would get wrong for devices.
//
// Whether a peer reads is seen in how much of what was written its TCP has acknowledged, long before a write returns: the kernel wakes a
// writer only when much of its buffer is free. On systems that do not tell, the functions say so, and a caller has to do with the
// writes themselves. docs/decisions/0012-slow-is-not-stopped.md says what follows from it.
package socket

import (
	"net"
	"syscall"
	"time"
)

// raw finds the socket below nc: under TLS, a PROXY header, a WebSocket or an event loop.
func raw(nc net.Conn) (syscall.RawConn, bool) {
	for nc != nil {
		switch c := nc.(type) {
		case syscall.Conn:
			r, err := c.SyscallConn()
			return r, err == nil
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		case interface{ Transport() net.Conn }: // what is read of it is buffered above, so that it is no NetConn
			nc = c.Transport()
		default:
			return nil, false
		}
	}
	return nil, false
}

// Taken returns a number that changes when the peer of nc takes bytes, and otherwise only with what is written to nc. False where
// the system does not count, or nc has no socket. nc may be closed meanwhile; it does not block.
func Taken(nc net.Conn) (n uint64, ok bool) {
	if r, found := raw(nc); found {
		_ = r.Control(func(fd uintptr) { n, ok = taken(int(fd)) }) // of a closed connection there is nothing to tell
	}
	return n, ok
}

// Counts reports whether [Taken] has a number for nc.
func Counts(nc net.Conn) bool {
	_, found := raw(nc)
	return found && counts
}

// Unacknowledged returns how many bytes that were written to nc its peer has not acknowledged. False where the system does not tell.
func Unacknowledged(nc net.Conn) (n int, ok bool) {
	if r, found := raw(nc); found {
		_ = r.Control(func(fd uintptr) { n, ok = unacknowledged(int(fd)) })
	}
	return n, ok
}

// unsentMost is how many bytes the kernel takes that it cannot send yet. Without a bound it takes up to 4 MiB for a slow peer, and what
// a device is told at once, such as PINGRESP, waits behind them.
const unsentMost = 32 << 10

// BoundUnsent limits what the kernel holds for nc beyond what is on its way. Where that is not possible nothing changes.
func BoundUnsent(nc net.Conn) {
	if r, found := raw(nc); found {
		_ = r.Control(func(fd uintptr) { boundUnsent(int(fd), unsentMost) })
	}
}

// Liveness says when the kernel takes the peer of a connection for dead. The zero value leaves out TCP's keep alive, and has what is
// not acknowledged repeated for as long as the system is configured to.
type Liveness struct {
	// Probe is for how long nothing must have come before the peer is asked, and the time from each question to the next. Three that
	// are not answered end the connection. 0: it is not asked.
	Probe time.Duration
	// Unanswered is for how long what was written may stay unacknowledged. 0: as the system is configured. Linux only.
	Unanswered time.Duration
}

// probes is how many a peer may leave unanswered.
const probes = 3

// SetLiveness changes when the kernel takes the peer of nc for dead. A connection that has no TCP is left as it is.
func SetLiveness(nc net.Conn, l Liveness) {
	if r, found := raw(nc); found {
		_ = r.Control(func(fd uintptr) { setUnanswered(int(fd), l.Unanswered) })
	}
	setProbe(nc, l.Probe)
}

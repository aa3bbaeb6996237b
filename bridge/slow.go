package bridge

import (
	"net"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/bridge/socket"
)

// A peer that is slow is not one that does not read. The kernel has room for much of what is written, and wakes a writer late: one write
// of a packet may last for minutes on a slow line. What tells is whether the peer's TCP still takes bytes, which the watch asks the
// kernel where a write is under way for longer than from one look to the next: decisions/0012.

// writePiece is how much is written at a time where only the end of a write shows that the peer takes bytes.
const writePiece = 16 << 10

// writing is what the watch remembers of the writes to one end.
type writing struct {
	writes moved[uint32] // that began or ended
	taken  moved[uint64] // by the peer; looked at only while a write is under way
	waited time.Duration // when a write that outlasts a look was seen last
	slow   bool          // a write has outlasted a look of the watch, and what the kernel holds is bounded
}

// stalled returns for how long the peer of one end has taken nothing, while a write is under way, and otherwise when the last write ended.
// Called by the watch only.
func (s *session) stalled(e drive.End, progress uint32, running time.Duration) time.Duration {
	w := s.watched.of(e)
	still := w.writes.still(progress, running)
	if progress&1 == 0 || still == 0 {
		return still
	}
	w.waited = running
	taken, ok := uint64(0), false
	s.driver.WithEnds(func() { // no write waits while the session is attached: whoever serves it gives the connections back before
		s.mu.Lock()
		defer s.mu.Unlock()
		taken, ok = s.taken(e)
		if ok && !w.slow { // only now: the bound costs a fast peer half as much again per message
			w.slow = true
			socket.BoundUnsent(s.endConn(e))
		}
	})
	if !ok {
		return still
	}
	return min(still, w.taken.still(taken, running))
}

func (w *watched) of(e drive.End) *writing {
	if e == drive.DeviceEnd {
		return &w.toDevice
	}
	return &w.toBroker
}

// taken returns a number that changes with every byte that the peer of one end takes. Called within WithEnds; the caller holds mu.
func (s *session) taken(e drive.End) (uint64, bool) {
	return socket.Taken(s.endConn(e))
}

// endConn is the connection of one end, nil where there is none yet. The caller holds mu.
func (s *session) endConn(e drive.End) net.Conn {
	if e == drive.DeviceEnd {
		return s.dev.NetConn()
	}
	return s.broker.Conn
}

// prolong begins the time anew that an ending session gives its ends, for each that has taken bytes since the watch last looked: the rest
// of what was said to a slow peer shall reach it, and the goodbye behind it. It does so for limits.write-timeout at most.
func (s *session) prolong(running time.Duration) {
	w := &s.watched
	if w.ending == 0 {
		w.ending = running
	}
	if running-w.ending > s.b.limits().WriteTimeout {
		return
	}
	s.driver.WithEnds(s.prolongEnds)
}

func (s *session) prolongEnds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	soon := time.Now().Add(goodbyeTime)
	if r := s.cause.Load().reason; r != reason.Cut && r != reason.WriteTimeout && s.stillTakes(drive.DeviceEnd) {
		if s.farewell { // before that the pump must not wait for the device
			_ = s.dev.SetReadDeadline(soon)
		}
		_ = s.dev.SetWriteDeadline(soon)
	}
	if s.broker.Conn != nil && s.stillTakes(drive.BrokerEnd) {
		_ = s.broker.SetDeadline(soon)
	}
}

// stillTakes reports whether the peer of one end has taken bytes since this was asked last. Called as taken.
func (s *session) stillTakes(e drive.End) bool {
	seen := &s.watched.of(e).taken.value
	n, ok := s.taken(e)
	before := *seen
	*seen = n
	return ok && before != 0 && n != before
}

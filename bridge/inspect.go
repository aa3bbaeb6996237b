package bridge

import (
	"runtime"

	"mqtt-ws-bridge/mqttio"
)

// Topic filters are what makes the inspection of a packet long: a SUBSCRIBE of 64 KiB holds 16,000, and each is judged, counted and
// perhaps written anew. Nothing else that a device sends costs more than a small multiple of reading it.

// longInspection is how many bytes of SUBSCRIBE and UNSUBSCRIBE a session looks at between two reads as one of many in an event loop.
// What goes beyond it is looked at by a goroutine of the session's own, and by few of these at a time.
const longInspection = 4 << 10

// inspections is how many long inspections there are at a time: they leave at least half of the processors to all others.
func inspections() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// inspectFilters is inspect for a packet with topic filters. Where that is long it waits until it may be one of those under way, which
// addresses take in rotation.
func (s *session) inspectFilters(pkt *mqttio.Packet) bool {
	if s.inspector == nil {
		return true
	}
	if s.up.filterBytes += len(pkt.Bytes); s.up.filterBytes <= longInspection {
		return s.inspect(&s.up, pkt)
	}
	s.driver.Block()
	if s.b.inspecting.AcquireUntil(s.stop, s.neighbors()) != nil {
		return false
	}
	s.inspecting = true
	v := s.inspector.Up(pkt)
	s.endInspection() // before anything is written
	return v == nil || s.obey(&s.up, pkt, v)
}

// endInspection ends a long inspection, if one is under way.
func (s *session) endInspection() {
	if s.inspecting {
		s.inspecting = false
		s.b.inspecting.Release(s.neighbors())
	}
}

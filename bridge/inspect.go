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

// beginInspection is called before the topic filters of a packet are looked at, and endInspection after that, before anything is written.
// Where the inspection is long it waits until it may be one of those under way, which addresses take in rotation. False: the session has
// ended meanwhile.
func (s *session) beginInspection(p *mqttio.Packet) bool {
	s.filterBytes += len(p.Bytes)
	if s.filterBytes <= longInspection {
		return true
	}
	s.driver.Block()
	s.inspecting = s.b.inspecting.AcquireUntil(s.stop, s.neighbors()) == nil
	return s.inspecting
}

func (s *session) endInspection() {
	if s.inspecting {
		s.inspecting = false
		s.b.inspecting.Release(s.neighbors())
	}
}

// tooManyFilters reports whether a SUBSCRIBE has more topic filters than one may have, and how many it has then.
func (s *session) tooManyFilters(p *mqttio.Packet) (filters int, tooMany bool) {
	const shortest = 4 // bytes of an entry
	most := s.b.limits().SubscribeFilters
	if most == 0 || p.Header.Remaining/shortest <= most {
		return 0, false
	}
	sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, s.connect.version)
	if err != nil {
		return 0, false // it was checked
	}
	for range sub.All() {
		filters++
	}
	return filters, filters > most
}

// refuseSubscribe answers every topic filter of a SUBSCRIBE that has too many.
func (s *session) refuseSubscribe(p *mqttio.Packet, filters int) bool {
	sub, err := mqttio.ParseSubscribe(p.Header, p.Bytes, s.connect.version)
	if err != nil {
		return true // it was checked
	}
	s.b.metrics.exceeded(quotaFilters)
	codes := make([]byte, filters)
	for i := range codes {
		codes[i] = failure(s.connect.version, mqttio.CodeQuotaExceeded)
	}
	suback := mqttio.AppendSuback(ownPacket(), s.connect.version, sub.PacketID, codes)
	return s.omitUp(p) && s.reply(suback)
}

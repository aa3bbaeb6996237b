package bridge

import (
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// standing is what the watch has seen of a session: for how long nothing has come from an end or gone to it, and whether a write to it is
// under way or its pump is held back.
type standing struct {
	up, down           time.Duration // without bytes from the device or the broker that we would have read
	toDevice, toBroker time.Duration // without progress of writing
	// Whether we read from the device, from the broker, and are writing to either.
	readsUp, readsDown, writesDown, writesUp bool
}

// checkPartial ends the session if an end has begun a packet and does not go on with it, also where its keep alive is 0. It notes for how
// long anything that is under way has not moved, and reports whether the session goes on. Called by the watch.
func (s *session) checkPartial(v standing) bool {
	up, down := s.up.partial.Load() && v.readsUp, s.down.partial.Load() && v.readsDown
	limit := s.b.limits().PacketTimeout
	switch {
	case limit == 0:
	case up && v.up > limit:
		s.end(reason.PacketTimeout, nil)
		return false
	case down && v.down > limit:
		s.end(reason.BrokerPacketTimeout, nil)
		return false
	}
	s.watched.stuck = [2]time.Duration{
		mqttio.Up:   max(where(up, v.up), where(v.writesUp, v.toBroker)),
		mqttio.Down: max(where(down, v.down), where(v.writesDown, v.toDevice)),
	}
	return true
}

// where returns d if it counts.
func where(counts bool, d time.Duration) time.Duration {
	if counts {
		return d
	}
	return 0
}

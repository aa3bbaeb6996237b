package bridge

import (
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/socket"
)

// ordinaryUnanswered is about how long Linux by itself repeats what a peer does not acknowledge.
const ordinaryUnanswered = 15 * time.Minute

// leaveSilenceToMQTT has the kernel take one end for dead no earlier than MQTT does. Where the device has a keep alive, TCP asks nothing,
// so that no radio wakes for it, and what a device does not acknowledge is repeated until its keep alive is over. A broker is allowed
// the same silence, but not for ever: its silence is not judged otherwise. Called by the pump up before there is another, or by
// the pump down before the session is online.
func (s *session) leaveSilenceToMQTT(e drive.End) {
	l := socket.Liveness{Probe: s.b.limits().TCPKeepAlive}
	if s.keepAliveSet.Load() {
		l = socket.Liveness{}
		silence := time.Duration(s.keepAlive.Load())
		switch {
		case e == drive.DeviceEnd:
			l.Unanswered = forever
		case silence > ordinaryUnanswered:
			l.Unanswered = silence
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if nc := s.endConn(e); nc != nil {
		socket.SetLiveness(nc, l)
	}
}

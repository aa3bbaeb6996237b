package device

import (
	"errors"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Quieter is implemented by links that can keep their keepalive pings to themselves for a while, as a phone does in
// Doze.
type Quieter interface{ Quiet(bool) }

// Quiet implements Quieter.
func (s *session) Quiet(on bool) { s.quiet.Store(on) }

// startTimers sets up what happens by itself: PINGREQ and unsolicited pongs. A timer costs a device less than a
// goroutine that waits.
func (s *session) startTimers() {
	p := s.d.profile
	if k := s.d.keepAlive(); k > 0 {
		every := time.Duration(float64(k) * p.PingAt)
		s.every(max(every, time.Second), s.ping)
	}
	if s.ws && p.UnsolicitedPong > 0 {
		s.every(p.UnsolicitedPong, func() error { return s.control(wire.Pong, nil, true) })
	}
}

// every runs do until the session ends or do fails.
func (s *session) every(interval time.Duration, do func() error) {
	var timer *time.Timer
	started := make(chan struct{})
	timer = time.AfterFunc(interval, func() {
		<-started
		if s.ctx.Err() != nil {
			return
		}
		if err := do(); err != nil {
			s.end(err)
			_ = s.conn.Close()
			return
		}
		timer.Reset(interval)
	})
	close(started)
	s.timers = append(s.timers, timer)
}

func (s *session) ping() error {
	if s.quiet.Load() {
		return nil
	}
	if s.awaiting.Swap(true) {
		if s.d.profile.Radio.With(s.d.settings.Impair).HalfOpen > 0 {
			return errors.New("no PINGRESP") // as was asked for
		}
		s.d.counters.Fault(profile.Problem{Fault: profile.NoPingresp, Seen: "no PINGRESP until the next PINGREQ"})
		return errors.New("no PINGRESP")
	}
	return s.send(packet.Pingreq())
}

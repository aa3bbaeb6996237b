package bridge

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
)

// The watch looks at every session a few times a second and ends those that are late. One ticker costs less than several
// timers in each session, and a busy session pays nothing for it but the counters that it keeps anyway.

// watched is what the watch remembers of a session: when each counter last moved.
type watched struct {
	heard         moved[uint64] // bytes from the device
	fromBroker    moved[uint64]
	toDevice      writing          // writes to the device
	toBroker      writing          // writes to the broker
	throttled     moved[uint32]    // the times that the pump up was throttled
	throttledDown moved[uint32]    // the times that the pump down was
	awaits        moved[uint32]    // the times that the pump up waited for memory
	awaitsDown    moved[uint32]    // the times that the pump down did
	stuck         [2]time.Duration // for which something that is under way has not moved, by pump
	pinged        time.Duration
	ending        time.Duration // when the session was first seen to end; 0: it goes on
}

// moved is when a counter was last seen to change.
type moved[T comparable] struct {
	value T
	since time.Duration
}

// still returns for how long the counter has stood at value.
func (m *moved[T]) still(value T, now time.Duration) time.Duration {
	if m.value != value || m.since == 0 {
		m.value, m.since = value, now
	}
	return now - m.since
}

// watchInterval is how late a deadline may be noticed: a second, or less if a limit is shorter than some seconds.
func (l *Limits) watchInterval() time.Duration {
	shortest := 4 * time.Second
	for _, d := range []time.Duration{l.ConnectTimeout, l.ConnackTimeout, l.WriteTimeout, l.PacketTimeout, l.IdleTimeout, l.PingInterval} {
		if d > 0 {
			shortest = min(shortest, d)
		}
	}
	return max(shortest/4, 5*time.Millisecond)
}

// watch runs until ctx ends.
func (b *Bridge) watch(ctx context.Context) {
	interval := b.limits().watchInterval()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	awake := awake{interval: interval, last: b.now()}
	var sessions []*session
	var t tidy
	r := reclaim{b: b}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if again := b.limits().watchInterval(); again != interval {
			interval, awake.interval = again, again
			ticker.Reset(again)
		}
		now := b.now()
		running := awake.at(now)
		sessions = b.snapshot(sessions)
		for _, s := range sessions {
			s.check(now, running)
		}
		r.look(now, sessions)
		clear(sessions) // an ended session is not kept alive by the slice
		t.look(now, int(b.attached.Load()))
	}
}

// awake measures the time in which the process ran. When it was stopped for a while, as a whole machine may be, what peers sent
// meanwhile waits to be read: their silence was not theirs.
type awake struct {
	interval time.Duration // between two looks
	last     time.Duration // when the last was
	slept    time.Duration
}

// at returns the time without what was slept before now.
func (a *awake) at(now time.Duration) time.Duration {
	if late := now - a.last - a.interval; late > a.interval {
		a.slept += late
	}
	a.last = now
	return now - a.slept
}

// tidy gives memory back to the system when many sessions have fallen quiet. They have freed their stacks and buffers, but
// nothing is allocated then that would make the collector run, and it would keep them for minutes.
type tidy struct {
	attached int           // at the last look
	done     int           // attached when memory was given back last
	last     time.Duration // when that was
}

const (
	tidyEach  = 128 // sessions that must have fallen quiet
	tidyPause = 10 * time.Second
)

func (t *tidy) look(now time.Duration, attached int) {
	settled := attached == t.attached
	t.attached = attached
	t.done = min(t.done, attached)
	if settled && attached-t.done >= tidyEach && now-t.last > tidyPause {
		t.done, t.last = attached, now
		runtime.GC() // empties the pools into their second half, which the next collection frees
		debug.FreeOSMemory()
	}
}

// check ends the session if it is late. Deadlines are compared with now, silence and waiting against running, the time without what the
// process slept. Called by the watch only.
func (s *session) check(now, running time.Duration) {
	l := s.b.limits()
	w := &s.watched
	if s.ending() {
		s.prolong(running)
		return
	}
	if deadline := s.deadline.Load(); deadline > 0 && int64(now) > deadline {
		if s.deadline.Load() == deadline { // not answered in this very moment
			s.guard(s.endStage)
		}
		return
	}
	if s.expires > 0 && now > s.expires {
		s.end(reason.Expired, nil)
		return
	}
	// A peer that we do not read from for want of memory may not read before it has written.
	awaits, awaitsDown := s.up.buffers.waits.Load(), s.down.buffers.waits.Load()
	toDevice := s.dev.WriteProgress()
	still := min(s.stalled(drive.DeviceEnd, toDevice, running), w.awaits.still(awaits, running))
	if toDevice&1 == 1 && awaits&1 == 0 && still > l.WriteTimeout {
		s.end(reason.WriteTimeout, nil)
		return
	}
	toBroker := s.toBroker.Progress()
	stalled := min(s.stalled(drive.BrokerEnd, toBroker, running), w.awaitsDown.still(awaitsDown, running))
	if toBroker&1 == 1 && awaitsDown&1 == 0 && stalled > l.WriteTimeout {
		s.end(reason.BrokerStalled, nil)
		return
	}
	s.noteQuiet(toBroker, stalled)
	if stage(s.stage.Load()) != stageOnline {
		return // a device that waits for CONNACK has to be silent
	}
	// While the broker does not read, or a quota throttles us, we do not read: the silence is not the device's, and begins when that
	// is over. A write that is short, such as a ping, does not interrupt the silence of the other end.
	throttled := s.up.usage.throttled.Load()
	silence := min(w.heard.still(s.toDevice.Bytes(), running), running-w.toBroker.waited, w.throttled.still(throttled, running))
	if limit := s.keepAlive.Load(); limit > 0 && (toBroker|throttled)&1 == 0 && silence > time.Duration(limit) {
		s.endSilent()
		return
	}
	fromBroker := w.fromBroker.still(s.toBroker.Bytes(), running)
	throttledDown := s.down.usage.throttled.Load()
	if !s.checkPartial(standing{
		up: silence, readsUp: (toBroker|throttled)&1 == 0,
		down: min(fromBroker, running-w.toDevice.waited, w.throttledDown.still(throttledDown, running)), readsDown: (toDevice|throttledDown)&1 == 0,
		toDevice: still, writesDown: toDevice&1 == 1, toBroker: stalled, writesUp: toBroker&1 == 1,
	}) {
		return
	}
	if throttled |= throttledDown; (toDevice|toBroker|throttled)&1 == 1 { // who waits for a write or a quota is not quiet
		s.driver.CarryOn()
	} else {
		s.driver.Pause()
	}
	s.pingIfDue(now, l.PingInterval)
}

func (s *session) pingIfDue(now, interval time.Duration) {
	if interval > 0 && now-max(s.watched.pinged, s.began) >= interval {
		s.watched.pinged = now
		s.b.wg.Go(func() { s.guard(s.ping) }) // not here: a device that does not read would stop the watch
	}
}

// endStage ends a session whose stage took too long.
func (s *session) endStage() {
	if stage(s.stage.Load()) == stageConnect {
		s.end(reason.ConnectTimeout, nil)
		return
	}
	s.mu.Lock()
	outcome := s.broker.Outcome
	s.mu.Unlock()
	if outcome.wasAnswered() { // with AUTH
		s.end(reason.AuthTimeout, nil)
		return
	}
	outcome.Unanswered()
	s.end(reason.ConnackTimeout, nil)
}

func (s *session) endSilent() {
	if s.keepAliveSet.Load() {
		s.end(reason.KeepAlive, nil)
		return
	}
	s.end(reason.Idle, nil)
}

// ping sends a ping between two packets. A device in the middle of one, or busy reading, needs none.
func (s *session) ping() {
	s.toDevice.Quiet(func(part bool) {
		if part || s.ending() || !s.driver.BeginPing() {
			return
		}
		defer s.driver.EndPing()
		_ = s.dev.Ping() // a broken connection shows in the pumps
	})
}

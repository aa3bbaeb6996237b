package bridge

import (
	"errors"
	"os"
	"time"
)

// settleAfter is how many reads with goroutines make a session worth being served by a loop. One that comes, says a word
// and goes is not; one that stays and says little is found by the watch.
const settleAfter = 16

// register looks for a registration to wait in without goroutines. Without one, as for a broker in this process, the session
// keeps its goroutines. Called before the pumps start.
func (s *session) register() {
	if s.b.register == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending() { // the connections may be being closed meanwhile, and a registration would put others there
		return
	}
	if p, err := s.b.register(s, s.dev, &s.broker); err == nil {
		s.registration = p
	}
}

// busy counts a read of n bytes by a pump with a goroutine.
func (s *session) busy(p *pump, n int) {
	if s.served != nobody {
		s.oneWay.count(p, n)
		return
	}
	if p.reads > settleAfter {
		return
	}
	if p.reads++; p.reads > settleAfter && stage(s.stage.Load()) == stageOnline && s.registration != nil {
		s.pause()
	}
}

// pause asks both pumps to end.
func (s *session) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.registration == nil || s.attached || s.ending() || !s.pausing.CompareAndSwap(false, true) {
		return
	}
	_ = s.dev.SetReadDeadline(past) // an error would be a connection that has ended, which its reader knows
	_ = s.broker.SetReadDeadline(past)
}

// carryOn takes pause back, since one pump cannot end: it waits for a reader that may itself wait until the other pump reads.
func (s *session) carryOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.upRuns != s.downRuns && !s.ending() && s.pausing.CompareAndSwap(true, false) {
		s.clearPause()
		s.wakeOther()
	}
}

// wakeOther starts the pump that rests while the other one runs, if there is one. The caller holds mu.
func (s *session) wakeOther() {
	switch {
	case s.upRuns && !s.downRuns:
		s.downRuns = true
		go s.runDown()
	case s.downRuns && !s.upRuns:
		s.upRuns = true
		go s.runUp()
	}
}

// clearPause takes back the deadlines of pause. The caller holds mu.
func (s *session) clearPause() {
	_ = s.dev.SetReadDeadline(time.Time{})
	_ = s.broker.SetReadDeadline(time.Time{})
}

// nothingYet reports whether err, from reading either end, only says that there is nothing to read, or that the session was
// asked to pause.
func (s *session) nothingYet(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && !s.ending()
}

// attach gives up the goroutine that calls it: true says that it must end, and touch the session no more.
func (s *session) attach() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pausing.Store(false)
	if s.ending() {
		return false
	}
	s.clearPause()
	if !s.devMu.TryLock() { // a ping is being written
		return false
	}
	defer s.devMu.Unlock()
	if err := s.registration.Attach(); err != nil {
		s.b.log.Debug("a session keeps its goroutines", keySession, s.id, keyError, err.Error())
		s.registration.Leave()
		s.registration = nil
		return false
	}
	s.attached = true
	s.b.attached.Add(1)
	return true
}

// resume gives an attached session its goroutines back. The caller holds mu.
func (s *session) resume() {
	s.detach()
	go s.pump()
}

// detach makes the connections a pump's again. The caller holds mu, and starts the pumps.
func (s *session) detach() {
	s.registration.Detach()
	s.attached = false
	s.b.attached.Add(-1)
	switch c := s.cause.Load(); {
	case s.killed:
		s.b.wg.Go(s.closeBoth)
	case c != nil:
		s.interrupt(c.reason)
	}
}

// deregister gives up the registration for good.
func (s *session) deregister() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.registration != nil {
		s.registration.Leave()
		s.registration = nil
	}
}

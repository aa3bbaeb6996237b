package bridge

import (
	"errors"
	"os"
	"time"
)

// idleAfter is how long a session is quiet both ways before it gives up its goroutines. To stop and to start again costs some
// ten microseconds, so a device that says something every few seconds keeps them.
const idleAfter = 5 * time.Second

// findPlace looks for a place to wait in without goroutines. Without one, as for a broker in this process, the session
// keeps its goroutines.
func (s *session) findPlace() {
	if s.b.place == nil {
		return
	}
	p, err := s.b.place(s, s.dev, s.broker.Conn)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.place = p
}

// pause asks both pumps to end, since the session is quiet. Called by the watch.
func (s *session) pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place == nil || s.parked || s.ending() || !s.pausing.CompareAndSwap(false, true) {
		return
	}
	_ = s.dev.SetReadDeadline(past) // an error would be a connection that has ended, which its reader knows
	_ = s.broker.SetReadDeadline(past)
}

// paused reports whether err, from reading either end, only says that the session was asked to pause.
func (s *session) paused(err error) bool {
	return s.pausing.Load() && errors.Is(err, os.ErrDeadlineExceeded) && !s.ending()
}

// park gives up the goroutine that calls it: true says that it must end, and touch the session no more.
func (s *session) park() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pausing.Store(false)
	if s.ending() {
		return false
	}
	_ = s.dev.SetReadDeadline(time.Time{})
	_ = s.broker.SetReadDeadline(time.Time{})
	if err := s.place.Park(); err != nil {
		s.b.log.Debug("a quiet session keeps its goroutines", keySession, s.id, keyError, err.Error())
		s.place.Leave()
		s.place = nil
		return false
	}
	s.parked = true
	s.b.parked.Add(1)
	return true
}

// Wake starts the pumps of a parked session. It does not block.
func (s *session) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unpark()
}

// unpark gives a parked session its goroutines back. The caller holds mu.
func (s *session) unpark() {
	if s.parked {
		s.parked = false
		s.b.parked.Add(-1)
		go s.pump()
	}
}

// leavePlace gives up the place for good.
func (s *session) leavePlace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.place != nil {
		s.place.Leave()
		s.place = nil
	}
}

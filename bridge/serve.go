package bridge

// An attached session is served by the goroutine of the event loop that looks after its sockets (bridge/loop): one read, and what
// follows from it, at a time. The code of the pumps does not know. Where it would have to wait, which can only be in a write or for a
// quota, the session gets goroutines of its own again, and the loop another goroutine, while this one waits: see Blocked.

// End is one of the two ends of a session.
type End int8

// The ends.
const (
	DeviceEnd End = iota
	BrokerEnd
)

// part is what an attached session is being served.
type part int8

const (
	nobody part = iota
	servedUp
	servedDown
	servedPing
)

// oneWay recognizes a stream in one direction: many reads in a row that bring several packets each, and hardly anything the other
// way. Goroutines move that with fewer reads and writes, since they come to it later: decisions/0010.
type oneWay struct {
	pump  *pump // the direction
	reads int
}

const (
	severalPackets = 512 // bytes
	manyReads      = 32
)

func (o *oneWay) count(p *pump, n int) {
	switch {
	case o.pump != p:
		o.pump, o.reads = p, 0
	case n < severalPackets:
		o.reads /= 2
	default:
		o.reads++
	}
}

// found reports whether there is such a stream, and forgets it.
func (o *oneWay) found() bool {
	if o.reads < manyReads {
		return false
	}
	o.reads = 0
	return true
}

// serve begins to serve an attached session. It reports whether the caller may.
func (s *session) serve(p part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.attached || s.served != nobody {
		return false
	}
	s.served = p
	return true
}

// servePing begins to serve a ping. It may not be written while the registration serves the session something else, which is life enough.
// A session with goroutines has nothing to begin.
func (s *session) servePing() (serving, may bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.attached:
		return false, true
	case s.served != nobody:
		return false, false
	}
	s.served = servedPing
	return true, true
}

// Ready serves a session that is attached: one of its ends can be read from. It waits for nothing before Blocked was called, and may
// take as long as the session has goroutines after that.
func (s *session) Ready(e End) {
	if e == DeviceEnd {
		if s.serve(servedUp) {
			s.guard(s.stepUp)
			if !s.servedWell() {
				s.runUp()
			}
		}
		return
	}
	if s.serve(servedDown) {
		s.guard(s.stepDown)
		if !s.servedWell() {
			s.runDown()
		}
	}
}

// stepUp reads once, and again only where nothing more need come on the socket for it to say something.
func (s *session) stepUp() {
	for s.fillUp() && s.moveUp() && s.dev.Pending() {
	}
}

func (s *session) stepDown() {
	for s.fillDown() && s.moveDown() && s.broker.Pending() {
	}
}

// servedWell ends what serve began. False says that the session got goroutines of its own meanwhile.
func (s *session) servedWell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.served == nobody {
		return false
	}
	s.served = nobody
	if s.oneWay.found() || s.ending() {
		s.resume()
	}
	return true
}

// Blocked is called by the goroutine that serves the session, before it waits. It reports whether that is the registration's.
func (s *session) Blocked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.attached || s.served == nobody {
		return false
	}
	p := s.served
	s.served = nobody
	s.detach()
	s.upRuns, s.downRuns = true, true
	if p != servedUp { // its goroutine is the pump up, once it has written
		go s.runUp()
	}
	if p != servedDown {
		go s.runDown()
	}
	return p != servedPing
}

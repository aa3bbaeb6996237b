package bridge

import (
	"sync"
	"time"

	"mqtt-ws-bridge/bridge/socket"
)

// What a broker still says to a session that has ended is read and forgotten: a connection that is closed with unread bytes is reset, and
// the reset may overtake the device's last packets. A broker that sends without end, as to a subscriber of many messages who leaves, would
// have the bridge read for nothing, so this is bounded.
const (
	discardAtOnce = 1 << 20               // bytes that are read as fast as they come: more than is on its way to most sessions
	discardMost   = 4 << 20               // bytes in all
	discardPause  = 50 * time.Millisecond // before each read of what is beyond discardAtOnce
	discardSmall  = 1 << 10               // bytes of a read that waits
	discardLarge  = 64 << 10              // bytes of a read where much has come
	discardLarges = 8                     // large reads at a time: their buffers are not in limits.memory
)

var discardPool = sync.Pool{New: func() any { return new([discardLarge]byte) }}

// discard reads what the broker still has to say until it closes, its time is up, or there is nothing that could be lost. Called by the
// pump down when the session ends.
func (s *session) discard() {
	var small [discardSmall]byte
	for total := 0; total < discardMost; {
		n, err := s.broker.Read(small[:])
		total += n
		if err == nil && n == len(small) {
			n, err = s.discardMuch()
			total += n
		}
		if err != nil || s.brokerHasAll() {
			return
		}
		if total >= discardAtOnce {
			time.Sleep(discardPause)
		}
	}
}

// discardMuch reads once with a large buffer, if one is free.
func (s *session) discardMuch() (int, error) {
	select {
	case s.b.discards <- struct{}{}:
	default:
		return 0, nil
	}
	defer func() { <-s.b.discards }()
	buf := discardPool.Get().(*[discardLarge]byte)
	defer discardPool.Put(buf)
	return s.broker.Read(buf[:])
}

// noteQuiet remembers that nothing was written to the broker for so long that it has read everything. Called by the watch.
func (s *session) noteQuiet(toBroker uint32, still time.Duration) {
	if toBroker&1 == 0 && still > goodbyeTime {
		s.brokerQuiet.Store(toBroker + 1)
	}
}

// brokerHasAll reports whether the broker has read long ago what the device sent: then no reset can take anything from it.
func (s *session) brokerHasAll() bool {
	if s.toBroker.Progress()+1 != s.brokerQuiet.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.farewell { // the pump up may still write
		return false
	}
	left, ok := socket.Unacknowledged(s.broker.Conn)
	return left == 0 || !ok
}

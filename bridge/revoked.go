package bridge

import "mqtt-ws-bridge/bridge/reason"

// Recheck ends the sessions of devices whose certificates were revoked meanwhile, as [Options].Revoked says. Call it when that may
// have changed.
func (b *Bridge) Recheck() {
	for _, s := range b.snapshot(nil) {
		s.recheck()
	}
}

// recheck ends the session if the device's certificate is revoked. It is called too when the session is in the map: a change
// between the handshake of TLS and that moment is seen here or by Recheck.
func (s *session) recheck() {
	if s.b.revoked == nil {
		return
	}
	s.mu.Lock() // a registration may be putting another connection there
	state := s.dev.TLS()
	s.mu.Unlock()
	if state == nil {
		return
	}
	if err := s.b.revoked(state); err != nil {
		s.end(reason.Revoked, err)
	}
}

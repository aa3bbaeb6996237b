package device

import (
	"context"
	"errors"
	"fmt"

	"mqtt-ws-bridge/firmware-sim/packet"
)

// refused is a CONNACK that does not accept the device.
type refused struct {
	code   byte
	reason string // MQTT 5's Reason String
}

func (r refused) Error() string {
	text := fmt.Sprintf("CONNACK refused with code %s", packet.ConnackText(r.code))
	if r.reason != "" {
		text += fmt.Sprintf(": %.200q", r.reason)
	}
	if r.otherVersion() && r.code != codeUnavailable {
		text += "; --mqtt chooses another version"
	}
	return text
}

// codeUnavailable is what a proxy says for a broker that closed the connection.
const codeUnavailable = 0x88

// otherVersion reports whether an older version of MQTT may be taken where this one was refused: brokers answer an unknown version
// with 1, with 0x84, or as they answer nonsense.
func (r refused) otherVersion() bool {
	switch r.code {
	case 1, 0x80, 0x81, 0x82, 0x84, codeUnavailable:
		return true
	}
	return false
}

// errUnanswered means that the peer ended the connection after CONNECT and before CONNACK.
type errUnanswered struct{ cause error }

func (e errUnanswered) Error() string { return "waiting for CONNACK: " + e.cause.Error() }
func (e errUnanswered) Unwrap() error { return e.cause }

// fallBack changes to MQTT 3.1.1 when err says that the broker may not take MQTT 5, and back to 5 when 3.1.1 fails too. It reports whether
// the failure is none: 3.1.1 has not been tried yet.
func (d *Device) fallBack(err error) bool {
	if !d.settings.Newest || d.settled || d.settings.Version != 0 {
		return false
	}
	var r refused
	var u errUnanswered
	if d.older.Swap(false) || !(errors.As(err, &u) || errors.As(err, &r) && r.otherVersion()) {
		return false
	}
	d.older.Store(true)
	return true
}

// Version is the version of MQTT that the device speaks; with Settings.Newest it is final once the device has been online.
func (d *Device) Version() packet.Version { return d.version() }

// Erase has the broker forget the session of a device whose Run has returned. A session of MQTT 5 expires instead.
func (d *Device) Erase(ctx context.Context) error {
	if d.version() == packet.V5 || d.settings.Clean || !d.settled {
		return nil
	}
	settings := *d.settings
	settings.Clean, settings.Version = true, d.version()
	id := d.id
	id.Filters, id.Will = nil, nil
	e := New(id, d.profile, &settings, nil, nil, new(Counters))
	conn, err := e.dial(ctx)
	if err != nil {
		return err
	}
	s := newSession(e, conn)
	defer s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	s.leave()
	return nil
}

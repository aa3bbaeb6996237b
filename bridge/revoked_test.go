package bridge_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// TestRecheck ends no session but those of revoked certificates, quiet ones included, and the operator's word on the will holds.
func TestRecheck(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := newRigWith(t, bridge.Options{Limits: plenty(), Denial: bridge.Denial{ExpiryWithoutWill: true}})
		plain, shown := &scene{rig: r, v: v}, &scene{rig: r, v: v}
		plain.online()
		r.certified = true
		shown.online()
		r.bridge.Recheck()
		synctest.Wait()
		if n := r.bridge.Sessions(); n != 2 {
			t.Fatalf("%d sessions with nothing revoked", n)
		}
		time.Sleep(40 * time.Second)
		r.revoke()
		if h := shown.dev.rest(); h.code != 1008 || !bytes.Equal(h.packets, disconnect(v, 0x87, reason.Revoked.String())) {
			t.Errorf("device hears %v", h)
		}
		if saw, err := shown.br.rest(); err != nil || !bytes.Equal(saw, hx("E000")) {
			t.Errorf("broker sees % x, %v", saw, err)
		}
		synctest.Wait()
		plain.dev.send(hx("C000"))
		plain.br.expect(hx("C000"))
		plain.dev.send(hx("E000"))
		plain.br.expect(hx("E000"))
	})
}

// TestRecheckAfterDisconnect: a device that has said DISCONNECT itself is not spoken for, though the broker takes long to hear it.
func TestRecheckAfterDisconnect(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRigWith(t, bridge.Options{Limits: plenty(), Denial: bridge.Denial{ExpiryWithoutWill: true}}), v: v}
		s.certified = true
		s.online()
		fill := publish(v, "t", strings.Repeat("x", bufferSize-100))
		fill = append(fill, publish(v, "t", strings.Repeat("x", bufferSize-len(fill)-len(publish(v, "t", ""))))...)
		s.dev.send(fill) // as much as the broker can leave unread
		synctest.Wait()
		s.dev.send(hx("E000"))
		synctest.Wait()
		s.revoke()
		synctest.Wait()
		if saw, err := s.br.rest(); err != nil || !bytes.Equal(saw, append(fill, 0xE0, 0)) {
			t.Errorf("broker sees %d bytes that end with % x, and %v; want %d", len(saw), saw[max(0, len(saw)-4):], err, len(fill)+2)
		}
		if h := s.dev.rest(); h.code != 1008 {
			t.Errorf("device hears %v", h)
		}
	})
}

// TestRecheckDuringRegistration: a registration puts its own connection where Recheck looks for that of TLS. The race detector tells.
func TestRecheckDuringRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *scene
		s = &scene{v: mqttio.V311, rig: newRigWith(t, bridge.Options{Limits: plenty(),
			Register: func(_ drive.Served, device, _ drive.Rewirable) (drive.Registration, error) {
				s.async(s.bridge.Recheck)
				device.SetNetConn(device.NetConn())
				return nil, errors.New("no registration")
			}})}
		s.online()
		s.dev.send(hx("E000"))
		s.br.expect(hx("E000"))
	})
}

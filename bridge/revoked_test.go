package bridge_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

// TestRecheck ends no session but those of revoked certificates, quiet ones included, and the operator's word on the will holds.
func TestRecheck(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := newRigWith(t, bridge.Options{Limits: plenty(), ExpiryWithoutWill: true})
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
		if h := shown.dev.rest(); h.code != 1008 || !bytes.Equal(h.packets, disconnect(v, 0x87, bridge.ReasonRevoked.String())) {
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

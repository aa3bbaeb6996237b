//go:build linux

package loop_test

import (
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/park"
)

// TestPongWakesParkedSession: a session that waits in a lot is woken by what comes while a ping is being written.
func TestPongWakesParkedSession(t *testing.T) {
	lot, err := park.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lot.Close() })
	s := newSceneAt(t, func(p bridge.Parked, d, b bridge.Rewirable) (bridge.Place, error) {
		return lot.Place(p, d.NetConn(), b.NetConn())
	}, func(l *bridge.Limits) { l.PingInterval = time.Millisecond })
	var devices []*rawDevice
	var wg sync.WaitGroup
	for range 40 {
		d := s.raw()
		devices = append(devices, d)
		_ = d.nc.SetDeadline(time.Time{})
		wg.Go(func() { // answers each ping at once
			b := make([]byte, 6)
			for {
				if _, err := d.in.Read(b); err != nil {
					return
				}
				if _, err := d.nc.Write(masked(10, []byte("ping"))); err != nil {
					return
				}
			}
		})
	}
	time.Sleep(7 * time.Second) // five quiet seconds, and the watch has to come by
	deaf := 0
	for _, d := range devices {
		d.write(masked(2, pingreq))
		_ = d.broker.SetReadDeadline(time.Now().Add(patience))
		if n, err := d.broker.Read(make([]byte, 2)); err != nil {
			t.Log(n, err)
			deaf++
		}
		if deaf > 2 {
			break
		}
	}
	if deaf > 0 {
		t.Errorf("%d sessions are deaf", deaf)
	}
	s.bridge.Close()
	wg.Wait()
}

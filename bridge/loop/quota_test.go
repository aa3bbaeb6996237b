//go:build linux

package loop_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/quota"
)

// TestHeldSession: a session that a quota has held back has lost nothing, and is served again afterwards.
func TestHeldSession(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		slow := quota.Rates{Messages: 4}
		for name, limits := range map[string]quota.Limits{"up": {Up: slow}, "down": {Down: slow}} {
			t.Run(name, func(t *testing.T) {
				s := k.scene(t, nil)
				held := s.heldDevice(limits)
				const count = 12
				burst := bytes.Repeat(publish(10), count)
				if name == "up" {
					held.send(burst)
					s.until("it is held", isHeld)
					held.brokerGets(burst)
				} else {
					held.brokerSays(burst)
					s.until("it is held", isHeld)
					for range count {
						held.gets(publish(10))
					}
				}
				s.served()
			})
		}
	})
}

// TestHeldSessionWaitsAlone: it waits in a goroutine of its own. Neither the other sessions of its loop nor its other direction wait for
// it, nor does its end.
func TestHeldSessionWaitsAlone(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		slow := quota.Rates{Messages: 1}
		for name, limits := range map[string]quota.Limits{"up": {Up: slow}, "down": {Down: slow}} {
			t.Run(name, func(t *testing.T) {
				s := k.scene(t, nil)
				held, other := s.heldDevice(limits), s.online(0)
				long := bytes.Repeat(publish(10), 1000) // a quarter of an hour
				if name == "up" {
					held.send(long)
				} else {
					held.brokerSays(long)
				}
				s.until("it is held", isHeld)
				for range 20 {
					other.send(pingreq)
					other.brokerGets(pingreq)
					other.brokerSays(pingresp)
					other.gets(pingresp)
					if name == "up" {
						held.brokerSays(pingresp)
						held.gets(pingresp)
					} else {
						held.send(pingreq)
						held.brokerGets(pingreq)
					}
				}
				if name == "up" {
					held.broker.Close()
				} else {
					held.ws.CloseNow()
				}
				s.until("it has ended", func() bool { return s.bridge.Sessions() == 1 })
			})
		}
	})
}

// heldDevice is a device within these limits, online and served.
func (s *scene) heldDevice(l quota.Limits) *device {
	s.t.Helper()
	share, _ := quota.New(quota.Options{Session: l, Burst: time.Second}).Enter("", "")
	s.pass.Store(&bridge.Pass{Quota: share})
	defer s.pass.Store(new(bridge.Pass))
	return s.online(0)
}

func isHeld() bool { return strings.Contains(stacks(), "bridge.(*session).hold") }

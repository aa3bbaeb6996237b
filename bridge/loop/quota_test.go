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

// TestThrottledSession: a session that a quota throttled has lost nothing, and is served again afterwards.
func TestThrottledSession(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		slow := quota.Rates{Messages: 4}
		for name, limits := range map[string]quota.Limits{"up": {Up: slow}, "down": {Down: slow}} {
			t.Run(name, func(t *testing.T) {
				s := k.scene(t, nil)
				throttled := s.throttledDevice(limits)
				const count = 12
				burst := bytes.Repeat(publish(10), count)
				if name == "up" {
					throttled.send(burst)
					s.until("it is throttled", isThrottled)
					throttled.brokerGets(burst)
				} else {
					throttled.brokerSays(burst)
					s.until("it is throttled", isThrottled)
					for range count {
						throttled.gets(publish(10))
					}
				}
				s.served()
			})
		}
	})
}

// TestThrottledSessionWaitsAlone: it waits in a goroutine of its own. Neither the other sessions of its loop nor its other direction wait for
// it, nor does its end.
func TestThrottledSessionWaitsAlone(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		slow := quota.Rates{Messages: 1}
		for name, limits := range map[string]quota.Limits{"up": {Up: slow}, "down": {Down: slow}} {
			t.Run(name, func(t *testing.T) {
				s := k.scene(t, nil)
				throttled, other := s.throttledDevice(limits), s.online(0)
				long := bytes.Repeat(publish(10), 1000) // a quarter of an hour
				if name == "up" {
					throttled.send(long)
				} else {
					throttled.brokerSays(long)
				}
				s.until("it is throttled", isThrottled)
				for range 20 {
					other.send(pingreq)
					other.brokerGets(pingreq)
					other.brokerSays(pingresp)
					other.gets(pingresp)
					if name == "up" {
						throttled.brokerSays(pingresp)
						throttled.gets(pingresp)
					} else {
						throttled.send(pingreq)
						throttled.brokerGets(pingreq)
					}
				}
				if name == "up" {
					throttled.broker.Close()
				} else {
					throttled.ws.CloseNow()
				}
				s.until("it has ended", func() bool { return s.bridge.Sessions() == 1 })
			})
		}
	})
}

// throttledDevice is a device within these limits, online and served.
func (s *scene) throttledDevice(l quota.Limits) *device {
	s.t.Helper()
	share, _ := quota.New(quota.Options{Session: l, Burst: time.Second}).Enter("", "")
	s.pass.Store(&bridge.Pass{Quota: share})
	defer s.pass.Store(new(bridge.Pass))
	return s.online(0)
}

func isThrottled() bool { return strings.Contains(stacks(), "bridge.(*session).hold") }

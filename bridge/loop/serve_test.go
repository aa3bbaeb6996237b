//go:build linux

package loop_test

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
)

// TestServesBothWays: packets of all sizes pass as they are, and the session needs no goroutine for them.
func TestServesBothWays(t *testing.T) {
	for _, k := range []kind{{}, {device: true}, {broker: true}, {device: true, broker: true}} {
		t.Run(k.String(), func(t *testing.T) {
			s := k.scene(t, nil)
			d := s.online(0)
			for n := range 300 {
				p := publish(n * 7)
				d.send(p)
				d.brokerGets(p)
				d.brokerSays(p)
				d.gets(p)
			}
			s.served()
		})
	}
}

// TestHalfAPacket: what came of a packet waits in the session, not on a goroutine's stack.
func TestHalfAPacket(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, nil)
		d := s.online(0)
		p := publish(100)
		d.send(p[:50])
		d.brokerSays(p[:30])
		d.send(p[50:])
		d.brokerGets(p)
		d.brokerSays(p[30:])
		d.gets(p)
		s.served()
	})
}

// TestBlockedWrite: a device that does not read stops neither its own way up nor the other sessions of its loop, and gets all once it
// reads; nor does a broker that does not read.
func TestBlockedWrite(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, nil)
		slow, other := s.online(0), s.online(0)
		const count = 200
		large := publish(60 << 10)
		sent := make(chan error, 1)
		go func() {
			for range count {
				if _, err := slow.broker.Write(large); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		s.until("a write waits", func() bool { return strings.Contains(stacks(), ".(*Conn).WriteFrames") })
		for range 50 {
			slow.send(pingreq)
			slow.brokerGets(pingreq)
			other.send(pingreq)
			other.brokerGets(pingreq)
			other.brokerSays(pingresp)
			other.gets(pingresp)
		}
		for range count {
			slow.gets(large)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		s.served()
		up := make(chan struct{})
		go func() {
			defer close(up)
			for range count {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				_ = slow.ws.Write(ctx, websocket.MessageBinary, large) // brokerGets tells if one is missing
				cancel()
			}
		}()
		s.until("a write waits", func() bool { return strings.Contains(stacks(), "bridge.(*brokerConn).WriteFrames") })
		slow.brokerSays(pingresp)
		slow.gets(pingresp)
		other.send(pingreq)
		other.brokerGets(pingreq)
		for range count {
			slow.brokerGets(large)
		}
		<-up
		s.served()
	})
}

// TestServedSessionEnds: every end is found and told, and leaves no descriptor and no goroutine behind.
func TestServedSessionEnds(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		publishThenClose := append(append([]byte(nil), pingreq...), 0xE0, 0)
		// A name with a space at its end is the same end in another way.
		ends := map[string]func(s *scene, d *device){
			"device-disconnect": func(_ *scene, d *device) { d.send(publishThenClose); d.brokerGets(publishThenClose) },
			"device-closed":     func(_ *scene, d *device) { go d.ws.Close(websocket.StatusNormalClosure, "") },
			"device-closed ":    func(_ *scene, d *device) { d.ws.CloseNow() },
			"broker-closed":     func(_ *scene, d *device) { d.broker.CloseWrite() },
			"broker-lost":       func(_ *scene, d *device) { d.broker.reset() },
			"keepalive-timeout": func(*scene, *device) {},
			"packet-malformed":  func(_ *scene, d *device) { d.send([]byte{0x31, 0xFF, 0xFF, 0xFF, 0xFF}) },
			"packet-protocol":   func(_ *scene, d *device) { d.send([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'd'}) },
			"broker-malformed":  func(_ *scene, d *device) { d.brokerSays([]byte{0x20, 2, 0, 0}) },
			"shutdown":          func(s *scene, _ *device) { s.bridge.Drain(context.Background(), 1000) },
			"cut":               func(s *scene, _ *device) { s.bridge.Close() },
			"text-frame":        func(_ *scene, d *device) { _ = d.ws.Write(context.Background(), websocket.MessageText, pingreq) },
		}
		for reason, act := range ends {
			t.Run(reason, func(t *testing.T) {
				before := descriptors(t)
				t.Run("scene", func(t *testing.T) {
					s := k.scene(t, func(l *bridge.Limits) { l.IdleTimeout = 0 })
					keepAlive := byte(0)
					if reason == "keepalive-timeout" {
						keepAlive = 1
					}
					d := s.online(keepAlive)
					act(s, d)
					go func() { _, _ = io.Copy(io.Discard, d.broker); d.broker.Close() }()
					_, _, _ = d.ws.Read(t.Context())
					s.until("the session has ended", func() bool { return s.bridge.Sessions() == 0 })
					if log := s.log.String(); !strings.Contains(log, "reason="+strings.TrimSpace(reason)+" ") {
						t.Errorf("the log says\n%s", log)
					}
				})
				awaitDescriptors(t, before)
			})
		}
	})
}

// TestPingWhileServed: pings of the framing below go out beside the loop.
func TestPingWhileServed(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, func(l *bridge.Limits) { l.PingInterval = 20 * time.Millisecond })
		pings := make(chan struct{}, 1)
		d := s.online(0)
		d.ws.CloseNow()
		d = s.connectCounting(pings)
		go func() { _, _, _ = d.ws.Read(context.Background()) }() // pings are seen while reading
		for range 5 {
			select {
			case <-pings:
			case <-time.After(patience):
				t.Fatal("no ping")
			}
		}
	})
}

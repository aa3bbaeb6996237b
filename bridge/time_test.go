package bridge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// within fails the test unless the last session ended so long after began, for the reason.
func (s *scene) within(began time.Time, least, most time.Duration, reason string) {
	s.t.Helper()
	_ = s.dev.rest()
	took := time.Since(began)
	if s.br != nil {
		_, _ = s.br.rest()
	}
	s.settled()
	if got := s.log.ends(s.t)[0]["reason"]; took < least || took > most || got != reason {
		s.t.Errorf("ended after %v for %v, want %v to %v and %s", took, got, least, most, reason)
	}
}

const (
	late    = 2 * time.Second // than a deadline the watch may notice it
	goodbye = 2 * time.Second // that an end may wait for either peer
)

// onlineWith brings a device with this keep alive online.
func (s *scene) onlineWith(keepAlive uint16, properties ...byte) {
	s.upgrade()
	hello := connect(s.v, "c", keepAlive)
	s.dev.send(hello)
	s.br = s.broker()
	s.br.expect(hello)
	s.br.send(connack(s.v, properties...))
	s.dev.expect(connack(s.v, properties...))
}

// TestKeepAlive: one and a half times and the grace, counted from the last packet; pings of the framing do not count.
func TestKeepAlive(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.KeepAliveGrace = 3 * time.Second }), v: v}
		s.onlineWith(10)
		for range 5 {
			time.Sleep(14 * time.Second)
			s.dev.send(hx("C000"))
			s.br.expect(hx("C000"))
		}
		began := time.Now()
		for range 5 {
			time.Sleep(3 * time.Second)
			s.dev.raw(wsframes.Masked(0x89, ""))
		}
		s.within(began, 18*time.Second, 18*time.Second+late, "keepalive-timeout")
	})
}

// TestServerKeepAlive: in MQTT 5 the broker's word counts [MQTT-3.1.2-21], also if it is none.
func TestServerKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.onlineWith(1000, hx("13 0014")...)
		s.within(time.Now(), 30*time.Second, 30*time.Second+late, "keepalive-timeout")
	})
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.onlineWith(1, hx("13 0000")...)
		time.Sleep(time.Hour)
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000"))
	})
}

// TestKeepAliveBeforeConnack: a device that waits for CONNACK is silent because it has to be.
func TestKeepAliveBeforeConnack(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.upgrade()
		hello := connect(v, "c", 1)
		s.dev.send(hello)
		s.br = s.broker()
		s.br.expect(hello)
		time.Sleep(6 * time.Second)
		s.br.send(connack(v))
		s.dev.expect(connack(v))
		time.Sleep(1200 * time.Millisecond)
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000"))
	})
}

// TestKeepAliveWhileBrokerStalls: while the broker does not read, the bridge does not either, and what the device says
// meanwhile is not silence (attack 20).
func TestKeepAliveWhileBrokerStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.cramped()
		s.onlineWith(4)
		pings := 0
		for range 6 {
			s.dev.send(hx("C000 C000 C000 C000 C000"))
			pings += 5
			time.Sleep(3 * time.Second)
		}
		for range pings {
			s.br.expect(hx("C000"))
		}
		time.Sleep(5 * time.Second)
		s.dev.send(hx("E000"))
		s.br.expect(hx("E000"))
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.IdleTimeout = 8 * time.Second }), v: mqttio.V5}
		s.onlineWith(0)
		time.Sleep(7 * time.Second)
		s.dev.send(hx("C000"))
		s.within(time.Now(), 8*time.Second, 8*time.Second+late, "idle-timeout")
	})
}

// TestNoKeepAlive: without either limit a device may be silent for ever.
func TestNoKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.onlineWith(0)
		time.Sleep(24 * time.Hour)
		s.br.send(hx("D000"))
		s.dev.expect(hx("D000"))
	})
}

func TestConnackTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.dialled()
		began := time.Now()
		s.br.send(hx("F006 18 04 150001's'")) // AUTH does not prolong it
		s.within(began, 10*time.Second, 10*time.Second+late, "auth-timeout")
	})
}

// TestWriteTimeout is attack 19: a device that does not read is cut, and no other waits for it.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		slow, good := &scene{rig: r, v: mqttio.V311}, &scene{rig: r, v: mqttio.V311}
		good.onlineWith(0)
		slow.stopReading()
		began := time.Now()
		for time.Since(began) < 40*time.Second {
			at := time.Now()
			good.br.send(hx("D000"))
			good.dev.expect(hx("D000"))
			good.dev.send(hx("C000"))
			good.br.expect(hx("C000"))
			if waited := time.Since(at); waited > 0 {
				t.Fatalf("the good device waits %v", waited)
			}
			time.Sleep(100 * time.Millisecond)
		}
		line := r.log.ends(t)[0]
		took := time.Duration(line["duration"].(float64))
		if line["reason"] != "write-timeout" || took < 20*time.Second || took > 20*time.Second+late+goodbye {
			t.Errorf("log says %v", line)
		}
		if r.bridge.Sessions() != 1 {
			t.Errorf("%d sessions are left", r.bridge.Sessions())
		}
	})
}

// TestSlowIsNotStopped: a device that reads slowly, each write in time, stays.
func TestSlowIsNotStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.WriteTimeout = 10 * time.Second }), v: mqttio.V311}
		s.stopReading()
		s.dev.expect(publish(s.v, "t", string(make([]byte, 5000))))
		for range 10 {
			s.br.send(publish(s.v, "t", string(make([]byte, 1000))))
			time.Sleep(8 * time.Second)
			s.dev.expect(publish(s.v, "t", string(make([]byte, 1000))))
		}
	})
}

// TestPings: as often as configured, once online, and not in the middle of a packet.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.PingInterval = 10 * time.Second }), v: mqttio.V311}
		s.onlineWith(0)
		time.Sleep(101 * time.Second)
		s.br.send(hx("D000"))
		s.dev.expect(hx("D000"))
		if n := s.dev.pings; n < 8 || n > 10 {
			t.Errorf("%d pings in 101 seconds", n)
		}
		s.br.send(packet(0x30, make([]byte, 200<<10))[:100<<10])
		s.dev.expect(packet(0x30, make([]byte, 200<<10))[:64<<10])
		s.dev.pings = 0
		time.Sleep(time.Minute)
		s.br.end()
		if h := s.dev.rest(); s.dev.pings > 0 || h.code != 1012 || len(h.packets) > 0 {
			t.Errorf("in the middle of a packet: %d pings, %v", s.dev.pings, h)
		}
	})
}

// TestDrainRate: at most so many in a second, and all of them.
func TestDrainRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		const n, rate = 50, 10
		ends := make(chan time.Time, n)
		for range n {
			s := &scene{rig: r, v: mqttio.V5}
			s.onlineWith(0)
			go func() { _, _ = s.br.rest() }()
			go func() {
				if h := s.dev.rest(); h.code != 1001 || len(h.packets) == 0 || h.packets[0] != 0xE0 {
					t.Errorf("device hears %v", h)
				}
				ends <- time.Now()
			}()
		}
		began := time.Now()
		if cut := r.bridge.Drain(context.Background(), rate); cut != 0 {
			t.Errorf("%d sessions were cut", cut)
		}
		if took := time.Since(began); took < (n-1)*time.Second/rate || took > n*time.Second/rate+late {
			t.Errorf("the drain took %v", took)
		}
		for i := range n {
			if at := (<-ends).Sub(began); at < time.Duration(i)*time.Second/rate {
				t.Errorf("device %d left after %v", i, at)
			}
		}
	})
}

// TestDrainDeadline: what is left is cut and counted, however little it reads.
func TestDrainDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for range 5 {
			s := &scene{rig: r, v: mqttio.V311}
			s.onlineWith(0)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began := time.Now()
		if cut := r.bridge.Drain(ctx, 1); cut != 5 { // two were told, and did not close yet
			t.Errorf("%d sessions were cut", cut)
		}
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("the drain took %v", took)
		}
		r.settled()
		reasons := make(map[any]int)
		for _, line := range r.log.ends(t) {
			reasons[line["reason"]]++
		}
		if reasons["shutdown"] != 2 || reasons["cut"] != 3 {
			t.Errorf("log says %v", reasons)
		}
	})
}

// TestSleepIsNoSilence: after the bridge has not looked for a while, a device gets its time again (attack 52).
func TestSleepIsNoSilence(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.onlineWith(20)
		s.up.stops.Store(int64(time.Minute))
		sleeper := &scene{rig: s.rig, v: v}
		sleeper.dialled() // and gets no CONNACK: at the end of its time the watch stops
		time.Sleep(75 * time.Second)
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000"))
		began := time.Now()
		_ = s.dev.rest()
		if took := time.Since(began); took < 30*time.Second || took > 30*time.Second+late {
			t.Errorf("ended after %v, want 30 s", took)
		}
		_ = sleeper.dev.rest()
		_, _ = s.br.rest()
		_, _ = sleeper.br.rest()
		s.settled()
	})
}

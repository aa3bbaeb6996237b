package bridge_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// TestConnectDripped is attack 4: the deadline is on CONNECT as a whole, bytes and pings do not prolong it.
func TestConnectDripped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		d := r.open()
		r.async(func() {
			for _, c := range connect(mqttio.V311, "dripping", 60) {
				if _, err := d.nc.Write(append(wsframes.Masked(0x82, []byte{c}), wsframes.Masked(0x89, []byte("x"))...)); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
			t.Error("the device could send all of its CONNECT")
		})
		began := time.Now()
		h := d.rest()
		if took := time.Since(began); took < 10*time.Second || took > 10*time.Second+late || h.code != 1008 || len(h.packets) > 0 || d.pongs < 9 {
			t.Errorf("device hears %v and %d pongs after %v", h, d.pongs, took)
		}
		r.undialled()
		r.settled()
		if line := r.log.ends(t)[0]; line["reason"] != "connect-timeout" {
			t.Errorf("log says %v", line)
		}
	})
}

// TestConnectInPieces: any framing of CONNECT is taken, and nothing is said to a broker before it is whole.
func TestConnectInPieces(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := newRig(t, nil)
		d := r.open()
		whole := connect(v, "in pieces", 60)
		for _, c := range whole[:len(whole)-1] {
			d.raw(append(wsframes.Masked(0x82, []byte{c}), wsframes.Masked(0x89, "")...))
			synctest.Wait()
			r.undialled()
		}
		d.raw(wsframes.Masked(0x82, whole[len(whole)-1:]))
		r.broker().expect(whole)
	})
}

// TestPipelined: what the device sends behind CONNECT, in the same frame and in others, follows in order (attacks 18 and 26).
func TestPipelined(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.upgrade()
		want := s.connect()
		d := s.dev
		d.raw(wsframes.Masked(0x82, append(s.connect(), publish(v, "t", "0")...)))
		want = append(want, publish(v, "t", "0")...)
		for i := byte('1'); i < '9'; i++ {
			p := publish(v, "t", string(bytes.Repeat([]byte{i}, int(i)*20)))
			d.raw(append(wsframes.Masked(0x02, p[:3]), wsframes.Masked(0x80, p[3:])...))
			want = append(want, p...)
		}
		s.br = s.broker()
		s.br.expect(want)
		s.br.send(connack(v), hx("D000"), publish(v, "down", "x"))
		d.expect(append(append(connack(v), hx("D000")...), publish(v, "down", "x")...))
	})
}

// TestBadPacketBehindConnect is refused before CONNACK without a word that the device could take for the broker's.
func TestBadPacketBehindConnect(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.upgrade()
		s.dev.send(s.connect(), hx("C000 C00100"))
		s.br = s.broker()
		s.br.expect(s.connect())
		s.check(ended{reason: "packet-malformed", code: 1002, level: "WARN", metric: "refusals_total", saw: hx("C000")})
	})
}

// TestAuth: MQTT 5 enhanced authentication goes back and forth before CONNACK and after it.
func TestAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		hello := connect(mqttio.V5, "c", 60, hx("15 0001's'")...)
		challenge, answer := hx("F006 18 04 150001's'"), hx("F00A 18 08 150001's' 160001'd'")
		s.upgrade()
		s.dev.send(hello)
		s.br = s.broker()
		s.br.expect(hello)
		for range 2 {
			s.br.send(challenge)
			s.dev.expect(challenge)
			s.dev.send(answer)
			s.br.expect(answer)
		}
		s.br.send(connack(mqttio.V5))
		s.dev.expect(connack(mqttio.V5))
		again := hx("F00A 19 08 150001's' 160001'd'")
		s.dev.send(again)
		s.br.expect(again)
		s.br.send(challenge)
		s.dev.expect(challenge)
	})
}

// TestAuthIsNotForOldVersions: in 3.1.1 there is no such packet.
func TestAuthIsNotForOldVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.dialled()
		s.br.send(hx("F000"))
		s.check(ended{reason: "broker-malformed", code: 1011, level: "WARN", metric: "refusals_total", packets: hx("20020003")})
	})
}

// TestConnackTimeoutTellsUpstream: a broker that takes connections and does not answer is suspected, one that answers is not,
// whatever it answers, be it AUTH [MQTT-4.12.0-2]. The upstream hears it once for each connection, however long the session takes
// to end: a device that does not close keeps its session while the watch, which looks more often with a short ping interval, goes on.
func TestConnackTimeoutTellsUpstream(t *testing.T) {
	for _, c := range []struct {
		answer string
		v      mqttio.Version
		want   bool
		reason string
	}{
		{"", mqttio.V311, false, "connack-timeout"},
		{"20020000", mqttio.V311, true, ""},
		{"20020005", mqttio.V311, true, "broker-refused"},
		{"20 03 00 00 00", mqttio.V5, true, ""},
		{"F0 05 18 03 15 0000", mqttio.V5, true, "auth-timeout"},
		{"F0 05 18 03 15 0000 20 03 00 00 00", mqttio.V5, true, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.PingInterval = time.Second }), v: c.v}
			s.dialled()
			s.br.send(hx(c.answer))
			time.Sleep(12*time.Second - time.Millisecond) // the device neither reads nor closes
			if got := len(s.up.answers); got != 1 {
				t.Fatalf("answer %q: upstream hears %d times", c.answer, got)
			}
			if got := <-s.up.answers; got != c.want {
				t.Errorf("answer %q: upstream hears %v", c.answer, got)
			}
			s.close()
			s.settled()
			if n := len(s.up.answers); n != 0 {
				t.Errorf("answer %q: upstream hears %d times more before the session is gone", c.answer, n)
			}
			if c.reason != "" && !strings.Contains(s.log.String(), `"reason":"`+c.reason+`"`) {
				t.Errorf("answer %q: the log says %s, want %s", c.answer, s.log, c.reason)
			}
		})
	}
}

// TestRefusedOnDeclaredLength is attack 5: the length in the header is enough, nothing more has to come.
func TestRefusedOnDeclaredLength(t *testing.T) {
	limits := func(l *bridge.Limits) { l.ConnectSize, l.PacketSize = 100, 1000 }
	exact := connect(mqttio.V311, string(make([]byte, 100-14)), 60)
	if exact = bytes.ReplaceAll(exact, []byte{0, 0}, []byte("xx")); len(exact) != 100 {
		t.Fatalf("the CONNECT has %d bytes", len(exact))
	}
	copy(exact[12:], hx("0056")) // the length of the client identifier
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, limits), v: mqttio.V311}
		s.upgrade()
		s.dev.send(exact)
		s.br = s.broker()
		s.br.expect(exact)
		s.br.send(connack(s.v))
		s.dev.expect(connack(s.v))
		largest := publish(s.v, "t", string(make([]byte, 1000-6)))
		s.dev.send(largest)
		s.br.expect(largest)
		s.br.send(largest)
		s.dev.expect(largest)
		s.dev.send(hx("30 E607")) // 1001 bytes
		s.check(ended{reason: "packet-too-large", code: 1009, level: "WARN", metric: "session_ends_total"})
	})
}

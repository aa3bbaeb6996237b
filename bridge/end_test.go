package bridge_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// TestFirstCauseWins: whatever happens at once, a session has one reason, told once everywhere.
func TestFirstCauseWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		r := newRig(t, nil)
		var all sync.WaitGroup
		for range n {
			s := &scene{rig: r, v: mqttio.V5}
			s.onlineWith(0)
			for _, f := range []func(){
				func() { _, _ = s.dev.nc.Write(wsframes.Masked(0x82, hx("E000"))) },
				func() { s.br.nc.Reset() },
				func() { _, _ = s.dev.nc.Write(wsframes.Masked(0x81, hx("00"))) },
				func() { s.dev.halfClose() },
				func() { _, _ = s.br.nc.Write(hx("E0028B00")) },
			} {
				all.Go(f)
			}
			all.Go(func() { _ = s.dev.rest() })
		}
		all.Go(func() { r.bridge.Drain(t.Context(), 1e6) })
		all.Wait()
		r.settled()
		reasons := make(map[string]float64)
		lines := r.log.ends(t)
		for _, line := range lines {
			reasons["session_ends_total{"+line["reason"].(string)+"}"]++
		}
		if len(lines) != n {
			t.Errorf("%d lines for %d sessions", len(lines), n)
		}
		for metric, count := range r.counted() {
			if reasons[metric] != count {
				t.Errorf("%s is %v, log has %v", metric, count, reasons)
			}
		}
	})
}

// TestDisconnectReachesABusyBroker: what the broker has sent and nobody wants any more must not cost it the device's last
// packets. Closing a connection with unread bytes would reset it.
func TestDisconnectReachesABusyBroker(t *testing.T) {
	for _, v := range []mqttio.Version{mqttio.V311, mqttio.V5} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel() // in real time: two goroutines wait for a lock, which a bubble takes for being busy
			s := &scene{rig: newRig(t, nil), v: v}
			s.onlineWith(0)
			last := append(publish(v, "last", "words"), hx("E000")...)
			for s.br.nc.Buffered() < 100<<10 {
				s.br.send(publish(v, "t", string(make([]byte, 30<<10))))
			}
			s.dev.send(last) // the device reads nothing more
			s.br.expect(last)
			s.br.send(publish(v, "t", "more"))
			if saw, err := s.br.rest(); err != nil || len(saw) > 0 {
				t.Errorf("broker sees % x and %v", saw, err)
			}
		})
	}
}

// lastWords returns the end together with the last bytes, as crypto/tls does when both came in one segment.
type lastWords struct{ *memnet.Conn }

func (c lastWords) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = io.EOF
	}
	return n, err
}

// TestLastWordsOfBroker: bytes that come together with the end are not lost.
func TestLastWordsOfBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
			ours, theirs := memnet.Pipe(bufferSize)
			s.up.brokers <- theirs
			return bridge.Broker{Conn: lastWords{ours}, Name: "memory"}, nil
		})
		s.dialled()
		s.br.send(hx("20020005"))
		s.br.end()
		s.check(ended{reason: "broker-refused", code: 1008, metric: "refusals_total", level: "INFO", packets: hx("20020005")})
	})
}

// panicking panics in Write or Read once it is told to.
type panicking struct {
	net.Conn
	read, write *atomic.Bool
}

func (c panicking) Write(p []byte) (int, error) {
	if c.write.Load() {
		panic("write")
	}
	return c.Conn.Write(p)
}

func (c panicking) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.read.Load() {
		panic("read")
	}
	return n, err
}

// TestPanic: a fault of the bridge costs one session, says where it was, and the others go on.
func TestPanic(t *testing.T) {
	for _, where := range []string{"read", "write"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				good, bad := &scene{rig: r, v: mqttio.V5}, &scene{rig: r, v: mqttio.V5}
				good.onlineWith(0)
				var read, write atomic.Bool
				r.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
					ours, theirs := memnet.Pipe(bufferSize)
					r.up.brokers <- theirs
					return bridge.Broker{Conn: panicking{ours, &read, &write}, Name: "memory"}, nil
				})
				bad.onlineWith(0)
				read.Store(where == "read")
				write.Store(where == "write")
				bad.br.send(hx("D000"))
				bad.dev.send(hx("C000"))
				why := reason.Internal.String()
				if h := bad.dev.rest(); h.code != 1011 || !bytes.HasSuffix(h.packets, disconnect(mqttio.V5, 0x80, why)) {
					t.Errorf("device hears %v", h)
				}
				_, _ = bad.br.rest()
				good.dev.send(hx("C000"))
				good.br.expect(hx("C000"))
				good.br.send(hx("D000"))
				good.dev.expect(hx("D000"))
				synctest.Wait()
				bad.checkAccounts(ended{reason: "internal-error", level: "ERROR", metric: "session_ends_total"})
				if log := r.log.String(); strings.Count(log, "panic in a session") != 1 || !strings.Contains(log, "end_test.go") {
					t.Errorf("log says %s", log)
				}
			})
		})
	}
}

// TestPanicOfTheWatch: foreign code that the watch calls for a session is that session's too.
func TestPanicOfTheWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.up.panics.Store(true)
		s.dialled()
		s.check(ended{reason: "internal-error", code: 1011, level: "ERROR", metric: "refusals_total",
			packets: refusalPackets(s.v, 0, 0x80, reason.Internal.String())})
	})
}

// TestMaximumPacketSize: what the bridge itself says is not larger than the device takes [MQTT-3.2.2-19] [MQTT-3.14.2-3].
func TestMaximumPacketSize(t *testing.T) {
	for size, want := range map[byte][2]string{
		200: {"20 2D 00 88 2A 1F 0027'broker-down: the broker does not answer'", ""},
		20:  {"20 03 00 88 00", "E0 02 82 00"},
		3:   {"", ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{rig: newRig(t, nil), v: mqttio.V5}
			hello := connect(mqttio.V5, "c", 0, 0x27, 0, 0, 0, size)
			s.upgrade()
			s.dev.send(hello)
			s.br = s.broker()
			s.br.expect(hello)
			s.br.send(connack(s.v))
			s.dev.expect(connack(s.v))
			s.dev.send(hello)
			leave := hx(want[1])
			if size == 200 {
				leave = disconnect(s.v, 0x82, reason.Protocol.String())
			}
			if h := s.dev.rest(); !bytes.Equal(h.packets, leave) {
				t.Errorf("with a maximum of %d the device hears % x, want % x", size, h.packets, leave)
			}
			s.failDial()
			d := s.open()
			d.send(hello)
			if h := d.rest(); !bytes.Equal(h.packets, hx(want[0])) {
				t.Errorf("with a maximum of %d the device hears % x, want % x", size, h.packets, hx(want[0]))
			}
		})
	}
}

// TestHalfALongPacket: whoever ends in the middle of one, the other end never takes what is there for a whole, and nothing
// is said in its middle but the close frame.
func TestHalfALongPacket(t *testing.T) {
	long := packet(0x30, text("t"), make([]byte, 1<<20))
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := startOnline(t, v, nil)
		s.br.send(long[:150<<10])
		s.dev.expect(long[:128<<10]) // no part is begun before its bytes are there
		s.dev.send(long[:100<<10])
		s.br.expect(long[:100<<10])
		s.drain()
		s.check(ended{reason: "shutdown", code: 1001, level: "INFO", metric: "session_ends_total"})
	})
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := startOnline(t, v, nil)
		s.br.send(long[:150<<10])
		s.br.end()
		s.check(ended{reason: "broker-closed", code: 1012, level: "WARN", metric: "session_ends_total", packets: long[:128<<10]})
	})
}

// TestStartAfterClose: a device that comes too late is closed.
func TestStartAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.lax.Store(true)
		s.bridge.Close()
		s.upgrade()
		_ = s.dev.rest()
		synctest.Wait()
		if s.bridge.Sessions() != 0 {
			t.Error("there is a session")
		}
	})
}

// TestSecondConnackIsNotForwarded: nor is it counted.
func TestSecondConnackIsNotForwarded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOnline(t, mqttio.V311, nil)
		s.br.send(hx("D000"), connack(s.v))
		if got := s.dev.rest().packets; !bytes.Equal(got, hx("D000")) {
			t.Errorf("the device got % x", got)
		}
		_, _ = s.br.rest()
		s.settled()
		for kind, want := range map[string]float64{"CONNACK": 1, "PINGRESP": 1} {
			if got := s.packets("packets_total", "down", kind); got != want {
				t.Errorf("%v packets of type %s, want %v", got, kind, want)
			}
		}
	})
}

// TestForwardedMetrics counts what was forwarded, and not the packet that was refused.
func TestForwardedMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOnline(t, mqttio.V311, nil)
		p := publish(s.v, "t", "x")
		s.dev.send(p, p, hx("C000"), p, s.connect())
		s.br.send(hx("D000 D000"))
		_ = s.dev.rest()
		_, _ = s.br.rest()
		s.settled()
		for _, c := range []struct {
			metric, direction, kind string
			want                    float64
		}{
			{"packets_total", "up", "CONNECT", 1}, {"bytes_total", "up", "CONNECT", float64(len(s.connect()))},
			{"packets_total", "up", "PUBLISH", 3}, {"bytes_total", "up", "PUBLISH", float64(3 * len(p))},
			{"packets_total", "up", "PINGREQ", 1}, {"packets_total", "down", "CONNACK", 1}, {"bytes_total", "down", "CONNACK", 4},
		} {
			if got := s.packets(c.metric, c.direction, c.kind); got != c.want {
				t.Errorf("%s{%s,%s} is %v, want %v", c.metric, c.direction, c.kind, got, c.want)
			}
		}
	})
}

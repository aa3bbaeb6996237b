package load

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func config(t *testing.T, url string, mode Mode) Config {
	t.Helper()
	e, err := wire.NewEndpoint(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return Config{Endpoint: e, Mode: mode, Devices: 4, Duration: 300 * time.Millisecond, Size: 64, Batch: 8, Window: 5, Topic: "l",
		IDs: fleet.Namer{ClientID: "l{n}"}, Seed: 1, Timeout: time.Minute, Dialing: 4}
}

func TestEveryModeDeliversEverything(t *testing.T) {
	for _, mode := range Modes {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			e := faulty.Start(t)
			for i, url := range []string{e.URL, e.Broker} {
				c := config(t, url, mode)
				// When the broker sees the end of a device it forgets the subscriptions of that name, also those of a device that came since.
				c.IDs.ClientID = fmt.Sprintf("l%d-{n}", i)
				switch mode {
				case Down:
					c.Flood, c.Rate = 1, 2000
				case Up: // nothing holds it up: the broker would have all of a fast sender's messages to work off
					c.Messages, c.Duration = 1000, time.Minute
				}
				r, err := Run(context.Background(), c)
				if err != nil {
					t.Fatal(err)
				}
				if !r.Clean() {
					t.Errorf("%s: %+v", url, r)
				}
				if mode != Idle && r.Sent+r.Received+r.Connects == 0 {
					t.Errorf("%s: nothing happened: %+v", url, r)
				}
				if (mode == RTT || mode == Ack) && r.Latency.Count != r.Sent {
					t.Errorf("%s: %d latencies for %d messages", url, r.Latency.Count, r.Sent)
				}
			}
		})
	}
}

func TestLossIsNotClean(t *testing.T) {
	e := faulty.Start(t, "drops")
	for mode, flood := range map[Mode]int{RTT: 0, Down: 1} {
		c := config(t, e.URL, mode)
		c.Timeout, c.Flood, c.Rate = 3*time.Second, flood, 500
		if r, err := Run(context.Background(), c); err != nil || r.Clean() || r.Lost == 0 {
			t.Errorf("%s: %+v %v", mode, r, err)
		}
	}
}

func TestFloodThatNobodyMakesIsNotClean(t *testing.T) {
	c := config(t, faulty.Start(t).URL, Down)
	if r, err := Run(context.Background(), c); err != nil || r.Clean() || r.Received != 0 {
		t.Errorf("%+v %v", r, err)
	}
}

func TestRateIsKeptInOpenLoops(t *testing.T) {
	for _, mode := range []Mode{Ack, RTT} {
		c := config(t, faulty.Start(t).URL, mode)
		c.Rate, c.Messages, c.Duration = 100, 25, time.Minute // a second for the hundred messages of four devices
		r, err := Run(context.Background(), c)
		if err != nil || !r.Clean() || r.Sent != 100 || r.Measured < 800*time.Millisecond || r.Measured > 30*time.Second || r.Latency.Count != r.Sent {
			t.Errorf("%s: %+v %v", mode, r, err)
		}
	}
	c := config(t, faulty.Start(t, "swallows-qos-1").URL, Ack)
	c.Rate, c.Timeout = 100, 3*time.Second
	if r, err := Run(context.Background(), c); err != nil || r.Clean() {
		t.Errorf("%+v %v", r, err)
	}
}

func TestSwallowedFlushIsNotClean(t *testing.T) {
	c := config(t, faulty.Start(t, "swallows-pingreq").URL, Up)
	c.Timeout, c.Messages = time.Second, 10
	if r, err := Run(context.Background(), c); err != nil || r.Clean() {
		t.Errorf("%+v %v", r, err)
	}
}

func TestNumberOfMessagesIsKept(t *testing.T) {
	for _, mode := range []Mode{Up, Ack, RTT} {
		c := config(t, faulty.Start(t).URL, mode)
		c.Messages, c.Duration = 13, time.Minute
		if r, err := Run(context.Background(), c); err != nil || r.Sent != 52 || !r.Clean() {
			t.Errorf("%s: %+v %v", mode, r, err)
		}
	}
}

func TestRefusedConnectionsAreNoMeasurement(t *testing.T) {
	c := config(t, faulty.Start(t, "refuse-all").URL, Up)
	if _, err := Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("got %v", err)
	}
}

// The scanner must count the same however the bytes are cut.
func TestScannerUnderEveryCut(t *testing.T) {
	var raw []byte
	for i := range 3 {
		p := packet.V311.Publish(packet.Message{Topic: "t", Payload: make([]byte, 100*i)})
		p = append(p, packet.Ack(packet.PUBACK, uint16(i+1))...)
		raw = wire.AppendFrame(raw, wire.Header{Fin: true, Op: wire.Binary}, p)
		raw = wire.AppendFrame(raw, wire.Header{Fin: true, Op: wire.Ping}, []byte("p"))
	}
	for cut := 1; cut < len(raw); cut++ {
		s := scanner{ws: true, gather: true}
		for at := 0; at < len(raw); at += cut {
			if err := s.feed(raw[at:min(at+cut, len(raw))]); err != nil {
				t.Fatal(err)
			}
		}
		if s.counts[packet.PUBLISH] != 3 || s.counts[packet.PUBACK] != 3 || string(s.pong) != "p" || s.acked[2] != 3 {
			t.Fatalf("cut %d: %+v", cut, s)
		}
	}
	s := scanner{ws: true}
	if err := s.feed(wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Text}, []byte("x"))); err == nil {
		t.Error("a text frame was counted")
	}
}

func BenchmarkScanner(b *testing.B) {
	var raw []byte
	p := packet.V311.Publish(packet.Message{Topic: "fsim/load/1", Payload: make([]byte, 128)})
	for range 400 {
		raw = wire.AppendFrame(raw, wire.Header{Fin: true, Op: wire.Binary}, p)
	}
	s := scanner{ws: true}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.feed(raw); err != nil {
			b.Fatal(err)
		}
	}
}

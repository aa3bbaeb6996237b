package bridge_test

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// countedReads is a broker's connection whose reads are counted.
type countedReads struct {
	*memnet.Conn
	calls, bytes atomic.Int64
}

func (c *countedReads) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.calls.Add(1)
	c.bytes.Add(int64(n))
	return n, err
}

// flooded brings a device online that reads all, and whose broker, after a while, sends it 256 KiB each millisecond until the connection is
// closed, whatever the device says. What the broker hears is collected.
func flooded(t *testing.T, after time.Duration) (s *scene, reads *countedReads, heard func() []byte) {
	s = &scene{rig: newRig(t, nil), v: mqttio.V311}
	reads = new(countedReads)
	s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
		ours, theirs := memnet.Pipe(1 << 20)
		reads.Conn = ours
		s.up.brokers <- theirs
		return bridge.Broker{Conn: reads, Name: "memory"}, nil
	})
	s.onlineWith(0)
	var got []byte
	var all sync.WaitGroup
	all.Go(func() { got, _ = io.ReadAll(s.br.nc) })
	all.Go(func() {
		time.Sleep(after)
		burst := publish(s.v, "t", string(make([]byte, 60<<10)))
		for {
			for range 4 {
				if _, err := s.br.nc.Write(burst); err != nil {
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	})
	all.Go(func() { _, _ = io.Copy(io.Discard, s.dev.nc) })
	return s, reads, func() []byte { all.Wait(); return got }
}

// TestLeavingAFlood: what the bridge reads of a broker that sends without end, after the device has gone, is bounded in bytes and in calls,
// and the broker gets the device's last packets all the same.
func TestLeavingAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, reads, heard := flooded(t, 0)
		time.Sleep(100 * time.Millisecond)
		last := append(publish(s.v, "last", "words"), hx("E000")...)
		s.dev.send(last)
		calls, bytes := reads.calls.Load(), reads.bytes.Load()
		s.settled()
		if got := heard(); string(got) != string(last) {
			t.Errorf("the broker got % x, want % x", got, last)
		}
		calls, bytes = reads.calls.Load()-calls, reads.bytes.Load()-bytes
		t.Logf("%d bytes in %d calls", bytes, calls)
		if most := int64(5 << 20); bytes > most || calls > 200 {
			t.Errorf("the bridge read %d bytes in %d calls, want at most %d in 200", bytes, calls, most)
		}
	})
}

// TestLeavingAFloodQuietly: where the device has said nothing for so long that the broker must have read it, hardly anything is read.
func TestLeavingAFloodQuietly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, reads, heard := flooded(t, 5*time.Second)
		time.Sleep(5100 * time.Millisecond)
		s.dev.halfClose()
		calls, bytes := reads.calls.Load(), reads.bytes.Load()
		s.settled()
		if got := heard(); len(got) > 0 {
			t.Errorf("the broker got % x", got)
		}
		calls, bytes = reads.calls.Load()-calls, reads.bytes.Load()-bytes
		t.Logf("%d bytes in %d calls", bytes, calls)
		if most := int64(1 << 20); bytes > most || calls > 100 {
			t.Errorf("the bridge read %d bytes in %d calls, want at most %d in 100", bytes, calls, most)
		}
	})
}

package frame_test

import (
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

// stuckConn is a device that does not read: writes wait until they are let go. What was written is kept.
type stuckConn struct {
	*scriptConn
	entered chan struct{} // one for each write that begins
	letGo   chan struct{} // closed to let all writes go
}

func (c *stuckConn) Write(p []byte) (int, error) {
	c.entered <- struct{}{}
	<-c.letGo
	return c.scriptConn.Write(p)
}

// TestPingWhileWriterIsStuck: the uplink goes on, and the latest ping is answered as soon as there is room (section 5.5.3).
func TestPingWhileWriterIsStuck(t *testing.T) {
	wire := wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, "one"), wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"))
	more := wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, "two"), wsframes.Masked(wsframes.FIN|wsframes.Binary, "cd"))
	nc := &stuckConn{scriptConn: script(wire, more), entered: make(chan struct{}, 8), letGo: make(chan struct{})}
	conn := frame.NewConn(nc, nil, 1<<16)

	var wg sync.WaitGroup
	wg.Go(func() {
		if err := conn.WriteFrames(layout("packet")); err != nil {
			t.Error(err)
		}
	})
	<-nc.entered
	if p := conn.WriteProgress(); p%2 != 1 {
		t.Errorf("WriteProgress %d while a write is under way", p)
	}
	stream, _ := readStream(conn, 4096)
	if string(stream) != "abcd" {
		t.Errorf("read %q beside the stuck writer", stream)
	}
	close(nc.letGo)
	wg.Wait()
	want := []wsframes.Frame{wsframes.Sent(wsframes.Binary, "packet"), wsframes.Sent(wsframes.Pong, "two")}
	if got := wsframes.MustParse(t, nc.sent()); !equalFrames(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	if p := conn.WriteProgress(); p%2 != 0 {
		t.Errorf("WriteProgress %d after the writes", p)
	}
}

// TestPingIsAnsweredOnce, not again with every read after it.
func TestPingIsAnsweredOnce(t *testing.T) {
	data := wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab")
	nc := script(wsframes.Masked(wsframes.FIN|wsframes.Ping, "beat"), data, data)
	_, _ = readStream(frame.NewConn(nc, nil, 1<<16), 64)
	if got := wsframes.MustParse(t, nc.sent()); len(got) != 1 {
		t.Errorf("sent %q", got)
	}
}

// TestPingIsAnsweredInAWriteOfItsOwn (device-quirks D6: some devices stall on data that shares a read with a control frame).
func TestPingIsAnsweredInAWriteOfItsOwn(t *testing.T) {
	nc := script(wsframes.Masked(wsframes.FIN|wsframes.Ping, "beat"))
	conn := frame.NewConn(nc, nil, 1<<16)
	if err := conn.WriteFrames(layout("a", "b")); err != nil {
		t.Fatal(err)
	}
	_, _ = readStream(conn, 64)
	if got, want := nc.sizes(), []int{3 + 3, 2 + 4}; !slices.Equal(got, want) {
		t.Errorf("writes of %v bytes, want %v", got, want)
	}
}

// TestPongsAndFramesDoNotMix reads pings while others write.
func TestPongsAndFramesDoNotMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, bridge := net.Pipe()
		conn := frame.NewConn(bridge, nil, 1<<16)
		const rounds = 200
		var wg sync.WaitGroup
		wg.Go(func() {
			for range rounds {
				if err := conn.WriteFrames(layout("one", "two", "three")); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() { _, _ = readStream(conn, 512) })
		wg.Go(func() {
			for range rounds {
				if _, err := device.Write(wsframes.Masked(wsframes.FIN|wsframes.Ping, "beat")); err != nil {
					t.Error(err)
				}
			}
		})
		got := wsframes.Collect(device)
		synctest.Wait()
		_ = device.Close()
		wg.Wait()
		counts := map[wsframes.Frame]int{}
		for _, f := range wsframes.MustParse(t, got.Wait()) {
			counts[f]++
		}
		if counts[wsframes.Sent(wsframes.Binary, "two")] != rounds || counts[wsframes.Sent(wsframes.Pong, "beat")] == 0 {
			t.Errorf("frames at the device: %v", counts)
		}
		_ = conn.Close()
	})
}

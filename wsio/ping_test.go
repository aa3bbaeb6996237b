package wsio_test

import (
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/wsio"
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
	wire := join(masked(fin|ping, "one"), masked(fin|binaryData, "ab"))
	more := join(masked(fin|ping, "two"), masked(fin|binaryData, "cd"))
	nc := &stuckConn{scriptConn: script(wire, more), entered: make(chan struct{}, 8), letGo: make(chan struct{})}
	conn := wsio.NewConn(nc, nil, 1<<16)

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
	want := []sentFrame{{binaryData, "packet"}, {pong, "two"}}
	if got := mustParse(t, nc.sent()); !equalFrames(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
	if p := conn.WriteProgress(); p%2 != 0 {
		t.Errorf("WriteProgress %d after the writes", p)
	}
}

// TestPingIsAnsweredOnce, not again with every read after it.
func TestPingIsAnsweredOnce(t *testing.T) {
	data := masked(fin|binaryData, "ab")
	nc := script(masked(fin|ping, "beat"), data, data)
	_, _ = readStream(wsio.NewConn(nc, nil, 1<<16), 64)
	if got := mustParse(t, nc.sent()); len(got) != 1 {
		t.Errorf("sent %q", got)
	}
}

// TestPingIsAnsweredInAWriteOfItsOwn (device-quirks D6: some devices stall on data that shares a read with a control frame).
func TestPingIsAnsweredInAWriteOfItsOwn(t *testing.T) {
	nc := script(masked(fin|ping, "beat"))
	conn := wsio.NewConn(nc, nil, 1<<16)
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
		conn := wsio.NewConn(bridge, nil, 1<<16)
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
				if _, err := device.Write(masked(fin|ping, "beat")); err != nil {
					t.Error(err)
				}
			}
		})
		got := newCollector(device)
		synctest.Wait()
		_ = device.Close()
		wg.Wait()
		counts := map[sentFrame]int{}
		for _, f := range mustParse(t, got.wait()) {
			counts[f]++
		}
		if counts[sentFrame{binaryData, "two"}] != rounds || counts[sentFrame{pong, "beat"}] == 0 {
			t.Errorf("frames at the device: %v", counts)
		}
		_ = conn.Close()
	})
}

// collector reads a connection until it ends.
type collector struct {
	done chan []byte
}

func newCollector(nc net.Conn) *collector {
	c := &collector{done: make(chan []byte, 1)}
	go c.run(nc)
	return c
}

func (c *collector) run(nc net.Conn) {
	var all []byte
	p := make([]byte, 4096)
	for {
		n, err := nc.Read(p)
		all = append(all, p[:n]...)
		if err != nil {
			c.done <- all
			return
		}
	}
}

// wait returns what was read once the connection has ended.
func (c *collector) wait() []byte { return <-c.done }

package upstream_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// hello does CONNECT and reads CONNACK.
func hello(t testing.TB, nc net.Conn, id byte) {
	t.Helper()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write([]byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, id}); err != nil {
		t.Fatal(err)
	}
	ack := make([]byte, 4)
	if _, err := io.ReadFull(nc, ack); err != nil || !bytes.Equal(ack, []byte{0x20, 2, 0, 0}) {
		t.Fatalf("CONNACK % x, %v", ack, err)
	}
}

// TestEmbedded: a device within the process reaches a tool at the address, and closing ends both.
func TestEmbedded(t *testing.T) {
	address := nobody(t).Host
	e, listenErr, err := upstream.NewEmbedded(address)
	if err != nil || listenErr != nil {
		t.Fatal(err, listenErr)
	}
	b, err := e.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil || !e.Ready() || b.Name != upstream.EmbeddedName {
		t.Fatalf("%v, %s", err, b.Name)
	}
	defer b.Close()
	tool, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer tool.Close()
	hello(t, b, 'd')
	hello(t, tool, 't')
	if _, err := tool.Write([]byte{0x82, 6, 0, 1, 0, 1, 'x', 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(tool, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	publish := []byte{0x30, 4, 0, 1, 'x', '!'}
	if _, err := b.Write(publish); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(publish))
	if _, err := io.ReadFull(tool, got); err != nil || !bytes.Equal(got, publish) {
		t.Errorf("the tool gets % x, %v", got, err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, nc := range []net.Conn{b, tool} {
		if _, err := io.ReadAll(nc); err != nil && !isEnd(err) {
			t.Errorf("after Close: %v", err)
		}
	}
}

func isEnd(err error) bool {
	ne, ok := err.(net.Error)
	return !ok || !ne.Timeout()
}

// TestEmbeddedTakenPort: the broker does without.
func TestEmbeddedTakenPort(t *testing.T) {
	taken := listen(t, "tcp", "127.0.0.1:0", echo)
	e, listenErr, err := upstream.NewEmbedded(taken.Addr().String())
	if err != nil || listenErr == nil {
		t.Fatalf("%v, %v", err, listenErr)
	}
	defer e.Close()
	b, err := e.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	hello(t, b, 'd')
	b.Close()
}

// TestEmbeddedUnused closes too.
func TestEmbeddedUnused(t *testing.T) {
	e, listenErr, err := upstream.NewEmbedded("")
	if err != nil || listenErr != nil {
		t.Fatal(err, listenErr)
	}
	b, err := e.Dial(t.Context(), bridge.DeviceInfo{}) // and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Close()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestEmbeddedSilentTool: who connects and says nothing does not hold up the end.
func TestEmbeddedSilentTool(t *testing.T) {
	address := nobody(t).Host
	e, listenErr, err := upstream.NewEmbedded(address)
	if err != nil || listenErr != nil {
		t.Fatal(err, listenErr)
	}
	tool, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer tool.Close()
	b, err := e.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	hello(t, b, 'd') // by then the tool was accepted too
	began := time.Now()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second { // the broker itself waits 15 seconds for CONNECT
		t.Errorf("Close took %v", took)
	}
	if _, err := e.Dial(t.Context(), bridge.DeviceInfo{}); err == nil {
		t.Error("a closed broker is dialled")
	}
}

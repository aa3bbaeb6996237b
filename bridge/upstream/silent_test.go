package upstream_test

import (
	"net"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// TestHungBroker: the kernel takes connections for a broker that hangs. What counts is whether it answers CONNECT.
func TestHungBroker(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) { _, _ = nc.Read(make([]byte, 1)) })
	target := parse(t, "tcp://"+l.Addr().String())
	const interval = 300 * time.Millisecond
	p := newPool(t, new(lines), func(o *upstream.Options) { o.HealthInterval = interval }, target)
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	for range 2 {
		p.Outcome(b.Name, false)
	}
	if !p.Ready() {
		t.Fatal("down after two devices without an answer")
	}
	var down time.Time
	early := func() bool { return p.Ready() && time.Since(down) < interval } // after it, on a slow machine, it may be ready
	down = time.Now()
	p.Outcome(b.Name, false)
	if early() {
		t.Fatal("ready after three devices without an answer")
	}
	if _ = p.Check(t.Context()); early() {
		t.Fatal("a connection alone made the broker ready again at once")
	}
	runPool(t, p)
	eventually(t, "devices may try again", p.Ready)
	down = time.Now()
	p.Outcome(b.Name, false)
	if early() {
		t.Fatal("ready though the next device got no answer either")
	}
	eventually(t, "devices may try again", p.Ready)
	p.Outcome(b.Name, true)
	p.Outcome(b.Name, false)
	if !p.Ready() {
		t.Fatal("down after one device without an answer")
	}
}

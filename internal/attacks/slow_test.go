//go:build linux

package attacks

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
)

// TestAttack19_slow_reader: a device that does not read is cut after the write timeout, and what is on its way to it is bounded by
// the buffers of the system.
func TestAttack19_slow_reader(t *testing.T) {
	k := plain(t)
	d := reach(t, k.bridge.WS)
	_ = d.Conn.(*net.TCPConn).SetReadBuffer(4096)
	d.upgraded(goodHello).join(hello{version: 4, id: "slow-reader"}).send(subscribe(1, "nineteen"))
	_ = d.packet()
	sender := online(t, k, hello{version: 4, id: "fast-sender"})
	message := publish("nineteen", strings.Repeat("x", 100_000))
	for range 300 { // 30 MB, and Mosquitto's queue takes what the bridge does not
		sender.send(message)
	}
	sender.alive()
	k.wantReason("write-timeout", 1)
	sender.alive()
}

// TestAttack24_half_open: a device that has gone without a word is given up after one and a half times its keep alive, by the bridge
// or by the broker, and its will fires.
func TestAttack24_half_open(t *testing.T) {
	k := plain(t)
	heir := online(t, k, hello{version: 4, id: "heir"}).send(subscribe(1, "wills/#"))
	_ = heir.packet()
	lost := online(t, k, hello{version: 4, id: "lost", keepAlive: 1, will: "wills/lost"}) // and not a byte more
	if got := heir.packet(); got != publish("wills/lost", "gone") {
		t.Errorf("the heir hears %q", got)
	}
	lost.wantEndOneOf(1008, 1012)
	heir.alive()
}

// TestAttack24_half_open_upstream: where the broker does not look, the bridge does.
func TestAttack24_half_open_upstream(t *testing.T) {
	k, c := crookedly(t)
	heard := make(chan string, 1)
	c.serve("patient", func(nc *net.TCPConn, r *bufio.Reader) {
		_, _ = io.WriteString(nc, connack(4))
		all, _ := io.ReadAll(r)
		heard <- string(all)
	})
	online(t, k, hello{version: 4, id: "patient", keepAlive: 1, will: "x"}).wantEnd(1008)
	k.wantReason("keepalive-timeout", 1)
	if got := <-heard; got != "" {
		t.Errorf("the broker hears %x, which keeps the will back", got)
	}
}

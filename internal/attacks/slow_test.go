package attacks

import (
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

// TestAttack24_half_open: a device that has gone without a word is given up after one and a half times its keep alive, and its will
// fires.
func TestAttack24_half_open(t *testing.T) {
	k := plain(t)
	heir := online(t, k, hello{version: 4, id: "heir"}).send(subscribe(1, "wills/#"))
	_ = heir.packet()
	lost := online(t, k, hello{version: 4, id: "lost", keepAlive: 1, will: "wills/lost"}) // and not a byte more
	if got := heir.packet(); got != publish("wills/lost", "gone") {
		t.Errorf("the heir hears %q", got)
	}
	lost.wantEnd(1008)
	k.wantReason("keepalive-timeout", 1)
	heir.alive()
}

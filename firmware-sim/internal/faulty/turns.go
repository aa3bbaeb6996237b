package faulty

import (
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// inTurn lets the broker work on what one client sent at a time. The broker takes a read lock twice on its way (mochi-mqtt
// 2.7.9, Inflight.NextImmediate and GetAll), and stands still for good when another client wants to write in between.
type inTurn struct {
	net.Conn
	mu   *sync.Mutex
	held bool // owned by the goroutine that reads
}

// Read ends the turn of what was read before.
func (c *inTurn) Read(b []byte) (int, error) {
	c.release()
	return c.Conn.Read(b)
}

func (c *inTurn) take() {
	if !c.held {
		c.mu.Lock()
		c.held = true
	}
}

func (c *inTurn) release() {
	if c.held {
		c.held = false
		c.mu.Unlock()
	}
}

// turns begins a client's turn with a packet that has to do with messages under way; floods of QoS 0 pass side by side.
type turns struct{ mqtt.HookBase }

func (*turns) ID() string           { return "turns" }
func (*turns) Provides(b byte) bool { return b == mqtt.OnPacketRead }

func (*turns) OnPacketRead(client *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	quiet := p.FixedHeader.Type == packets.Publish && p.FixedHeader.Qos == 0 && client.State.Inflight.Len() == 0
	if c, ok := client.Net.Conn.(*inTurn); ok && !quiet {
		c.take()
	}
	return p, nil
}

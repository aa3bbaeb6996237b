//go:build linux

package attacks

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
)

// innocent is a device that nobody notices: it publishes with QoS 1 to a topic of its own, gets every message back, and goes on.
type innocent struct {
	conn net.Conn
	stop chan struct{}
	done chan struct{} // closed when run has ended

	// guarded by mu
	mu    sync.Mutex
	times []time.Duration // of all messages so far
	err   error           // what went wrong
}

const (
	innocentPause = 5 * time.Millisecond // between two messages: it is a witness and no load
	innocentTopic = "innocent/echo"
)

// befriend connects an innocent device.
func befriend(t testing.TB, url string, header http.Header) *innocent {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPHeader: header})
	if err != nil {
		t.Fatalf("connect the innocent device: %v", err)
	}
	i := &innocent{
		conn: websocket.NetConn(context.Background(), ws, websocket.MessageBinary),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	hello := packets.NewControlPacket(packets.CONNECT).Content.(*packets.Connect)
	hello.ClientID, hello.CleanStart, hello.KeepAlive = "innocent", true, 60
	i.exchange(t, hello, packets.CONNACK)
	i.exchange(t, &packets.Subscribe{
		PacketID: 1, Properties: &packets.Properties{}, Subscriptions: []packets.SubOptions{{Topic: innocentTopic, QoS: 1}},
	}, packets.SUBACK)
	go i.run()
	t.Cleanup(func() { i.leave(t) })
	return i
}

// exchange sends a packet and wants a good answer.
func (i *innocent) exchange(t testing.TB, p packets.Packet, answer byte) {
	t.Helper()
	if _, err := p.WriteTo(i.conn); err != nil {
		t.Fatalf("the innocent device: %v", err)
	}
	got, err := packets.ReadPacket(i.conn)
	if err != nil || got.Type != answer {
		t.Fatalf("the innocent device wants %d and gets %v, %v", answer, got, err)
	}
	switch c := got.Content.(type) {
	case *packets.Connack:
		if c.ReasonCode != 0 {
			t.Fatalf("the innocent device: CONNACK %#x", c.ReasonCode)
		}
	case *packets.Suback:
		if c.Reasons[0] > 2 {
			t.Fatalf("the innocent device: SUBACK %#x", c.Reasons[0])
		}
	}
}

// run sends and receives until the device shall leave or something goes wrong.
func (i *innocent) run() {
	defer close(i.done)
	pause := time.NewTicker(innocentPause)
	defer pause.Stop()
	for n := uint64(1); ; n++ {
		select {
		case <-i.stop:
			return
		case <-pause.C:
		}
		began := time.Now()
		err := i.roundTrip(n)
		i.mu.Lock()
		if err != nil {
			i.err = fmt.Errorf("message %d: %w", n, err)
			i.mu.Unlock()
			return
		}
		i.times = append(i.times, time.Since(began))
		i.mu.Unlock()
	}
}

// roundTrip sends message n and waits until it is acknowledged and has come back.
func (i *innocent) roundTrip(n uint64) error {
	_ = i.conn.SetDeadline(time.Now().Add(2 * patience))
	payload := binary.BigEndian.AppendUint64(nil, n)
	p := packets.Publish{
		Topic: innocentTopic, QoS: 1, PacketID: uint16(n%1000 + 1), Payload: payload, Properties: &packets.Properties{},
	}
	if _, err := p.WriteTo(i.conn); err != nil {
		return err
	}
	var acknowledged, back bool
	for !acknowledged || !back {
		got, err := packets.ReadPacket(i.conn)
		if err != nil {
			return err
		}
		switch c := got.Content.(type) {
		case *packets.Puback:
			if c.PacketID != p.PacketID || c.ReasonCode >= 0x80 || acknowledged {
				return fmt.Errorf("got %v", c)
			}
			acknowledged = true
		case *packets.Publish:
			if string(c.Payload) != string(payload) || back {
				return fmt.Errorf("got payload %x, want %x", c.Payload, payload)
			}
			back = true
			if _, err := (&packets.Puback{PacketID: c.PacketID, Properties: &packets.Properties{}}).WriteTo(i.conn); err != nil {
				return err
			}
		default:
			return fmt.Errorf("got %v", got)
		}
	}
	return nil
}

// count is how many messages have come back, and what went wrong.
func (i *innocent) count() (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.times), i.err
}

// since returns the times of the messages after the first n, sorted.
func (i *innocent) since(n int) []time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Sorted(slices.Values(i.times[n:]))
}

// goesOn waits until some more messages have come back, and fails the test if anything is wrong with the device.
func (i *innocent) goesOn(t testing.TB) {
	t.Helper()
	before, _ := i.count()
	var now int
	var err error
	if !eventually(func() bool { now, err = i.count(); return err != nil || now >= before+5 }) && err == nil {
		err = errors.New("no message comes back any more")
	}
	if err != nil {
		t.Errorf("the innocent device: %v", err)
	}
}

// leave ends the device.
func (i *innocent) leave(t testing.TB) {
	close(i.stop)
	<-i.done
	if _, err := i.count(); err == nil {
		if _, err := (&packets.Disconnect{Properties: &packets.Properties{}}).WriteTo(i.conn); err != nil {
			t.Errorf("the innocent device leaves: %v", err)
		}
	}
	_ = i.conn.Close()
}

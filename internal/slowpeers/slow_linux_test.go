package slowpeers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/internal/mosquitto"
	"mqtt-ws-bridge/internal/netlab"
)

// TestSlowDeviceGetsAll: a device on a slow line that reads all the time gets a message on which the line works for several times
// limits.write-timeout.
func TestSlowDeviceGetsAll(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			line := netlab.New(t)
			broker := newScript(t)
			r := newRig(t, line, w, broker.url(), nil)
			sessions := broker.accept()
			d := r.online(&line.Far, 0)
			line.Near.Bound(lineRate)
			want := messageOf(messageSize)
			nc := <-sessions
			began := time.Now()
			go func() { _ = publish("image", 0, false, want).Write(nc) }() // what is missing is seen at the device
			if p, ok := d.next().(*packets.PublishPacket); !ok || string(p.Payload) != want {
				t.Fatal("the device got something else")
			}
			if took := time.Since(began); took < 4*writeTimeout {
				t.Fatalf("the line was not slow: %v", took)
			}
			_, _ = nc.Write([]byte{0xD0, 0}) // and the session goes on
			if _, ok := d.next().(*packets.PingrespPacket); !ok {
				t.Error("the device got no PINGRESP")
			}
		})
	}
}

// TestSlowDeviceGetsRetained: the same for many retained messages of a real broker.
func TestSlowDeviceGetsRetained(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			line := netlab.New(t)
			b := mosquitto.Start(t, mosquitto.Options{})
			r := newRig(t, line, w, "tcp://"+b.TCP, nil)
			writer := r.online(&line.Near, 0)
			const count = 400
			payload := messageOf(500)
			for i := range count {
				writer.send(publish(fmt.Sprintf("retained/%d", i), 0, true, payload))
			}
			writer.ping()
			d := r.online(&line.Far, 0)
			line.Near.Bound(lineRate)
			sub := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
			sub.MessageID, sub.Topics, sub.Qoss = 1, []string{"retained/#"}, []byte{0}
			d.send(sub)
			seen := make(map[string]bool)
			for len(seen) < count {
				if p, ok := d.next().(*packets.PublishPacket); ok {
					seen[p.TopicName] = string(p.Payload) == payload
				}
			}
			for topic, whole := range seen {
				if !whole {
					t.Errorf("%s is something else", topic)
				}
			}
		})
	}
}

// TestSlowBrokerGetsAll: the same upwards, to a real broker behind a slow line, which acknowledges the message.
func TestSlowBrokerGetsAll(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws"} {
		for _, w := range ways[:2] {
			t.Run(scheme+" "+w.name, func(t *testing.T) {
				t.Parallel()
				line := netlab.New(t)
				far := "listener 1883 " + line.Far.IP
				if scheme == "ws" {
					far += "\nprotocol websockets"
				}
				line.Far.Do(func() { mosquitto.Start(t, mosquitto.Options{Config: []string{far}}) })
				r := newRig(t, line, w, scheme+"://"+line.Far.IP+":1883", nil)
				d := r.online(&line.Near, 0)
				line.Near.Bound(lineRate)
				began := time.Now()
				d.send(publish("log", 1, false, messageOf(messageSize)))
				if p, ok := d.next().(*packets.PubackPacket); !ok {
					t.Fatalf("the device got %v, not PUBACK", p)
				}
				if took := time.Since(began); took < 4*writeTimeout {
					t.Fatalf("the line was not slow: %v", took)
				}
			})
		}
	}
}

// TestDeviceThatReadsNothingIsCut: the kernel answers for it, and takes nothing once its 6 MiB and the bridge's own kernel's 4 are full.
func TestDeviceThatReadsNothingIsCut(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			line := netlab.New(t)
			broker := newScript(t)
			r := newRig(t, line, w, broker.url(), nil)
			sessions := broker.accept()
			r.online(&line.Far, 0)
			nc := <-sessions
			go func() { _ = publish("image", 0, false, strings.Repeat("x", 16<<20)).Write(nc) }()
			r.ends(reason.WriteTimeout.Label)
		})
	}
}

// TestBrokerThatReadsNothingIsGivenUp: the same for a real broker that is stopped.
func TestBrokerThatReadsNothingIsGivenUp(t *testing.T) {
	for _, scheme := range []string{"tcp", "ws", "unix"} {
		for _, w := range ways[:2] {
			t.Run(scheme+" "+w.name, func(t *testing.T) {
				t.Parallel()
				line := netlab.New(t)
				b := mosquitto.Start(t, mosquitto.Options{WebSocket: true, Unix: true})
				r := newRig(t, line, w, map[string]string{"tcp": "tcp://" + b.TCP, "ws": "ws://" + b.WebSocket, "unix": "unix://" + b.Unix}[scheme], nil)
				d := r.online(&line.Far, 0)
				b.Pause()
				defer b.Resume()
				go func() { _ = publish("log", 0, false, strings.Repeat("x", 16<<20)).Write(d.nc) }()
				r.ends(reason.BrokerStalled.Label)
			})
		}
	}
}

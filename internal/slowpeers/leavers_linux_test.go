package slowpeers

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"mqtt-ws-bridge/internal/mosquitto"
	"mqtt-ws-bridge/internal/netlab"
)

// TestSubscribersThatComeAndGo: while 200 devices subscribe to a flood and leave without a word, one after the other, a device that does
// nothing wrong has each of its messages acknowledged, and nothing is left of the others afterwards.
func TestSubscribersThatComeAndGo(t *testing.T) {
	for _, w := range ways[:2] {
		t.Run(w.name, func(t *testing.T) {
			line := netlab.New(t)
			b := mosquitto.Start(t, mosquitto.Options{})
			r := newRig(t, line, w, "tcp://"+b.TCP, nil)
			stop := make(chan struct{})
			var all, leavers sync.WaitGroup
			all.Go(func() { flood(t, b.TCP, stop) })
			for range 20 {
				leavers.Go(func() {
					for range 10 {
						d := r.online(&line.Far, 0)
						sub := packets.NewControlPacket(packets.Subscribe).(*packets.SubscribePacket)
						sub.MessageID, sub.Topics, sub.Qoss = 1, []string{"flood"}, []byte{0}
						d.send(sub)
						d.next()
						d.raw.Close()
					}
				})
			}
			gone := make(chan struct{})
			all.Go(func() { leavers.Wait(); close(gone) })
			honest := r.online(&line.Far, 60)
			acknowledged := 0
			for more := true; more || acknowledged < 100; acknowledged++ {
				p := publish("honest", 1, false, fmt.Sprint(acknowledged))
				p.MessageID = uint16(acknowledged%65535 + 1)
				honest.send(p)
				if ack, ok := honest.next().(*packets.PubackPacket); !ok || ack.MessageID != p.MessageID {
					t.Fatalf("message %d is answered with %v", acknowledged, ack)
				}
				select {
				case <-gone:
					more = false
				default:
				}
			}
			close(stop)
			all.Wait()
			t.Logf("%d messages were acknowledged meanwhile", acknowledged)
			r.until("the others have gone", func() bool { return r.bridge.Sessions() == 1 })
			if n := strings.Count(r.log.String(), `msg="session ended"`); n != 200 {
				t.Errorf("%d sessions have ended, want 200", n)
			}
		})
	}
}

// flood publishes 1 MB a second to a broker.
func flood(t *testing.T, address string, stop <-chan struct{}) {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer nc.Close()
	hello := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	hello.ProtocolName, hello.ProtocolVersion, hello.CleanSession, hello.ClientIdentifier = "MQTT", 4, true, "flood"
	if err := hello.Write(nc); err != nil {
		t.Error(err)
	}
	go func() { _, _ = io.Copy(io.Discard, nc) }() // until it is closed
	each := time.NewTicker(10 * time.Millisecond)
	defer each.Stop()
	message := publish("flood", 0, false, strings.Repeat("x", 10<<10))
	for {
		select {
		case <-stop:
			return
		case <-each.C:
		}
		if err := message.Write(nc); err != nil {
			t.Error(err)
			return
		}
	}
}

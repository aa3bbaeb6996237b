package fleet_test

import (
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
)

// accepted keeps the books of what the broker took, as somebody else does. Frozen, the broker takes nothing and acknowledges
// nothing.
type accepted struct {
	mqtt.HookBase
	mu     sync.Mutex
	seen   map[string]bool // device and sequence
	frozen bool
}

func (a *accepted) ID() string           { return "accepted" }
func (a *accepted) Provides(b byte) bool { return b == mqtt.OnPublish }

// OnPublish comes before the acknowledgement.
func (a *accepted) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	codec, _ := payload.NewCodec("json", "", 0)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.frozen {
		return p, packets.ErrRejectPacket
	}
	if m, err := codec.Decode(p.Payload); err == nil && strings.HasSuffix(p.TopicName, "/data") {
		a.seen[fmt.Sprintf("%s/%d", m.Device, m.Seq)] = true
	}
	return p, nil
}

// freeze returns how many messages the broker has taken and lets it take no more; the first call says more than can be.
func (a *accepted) freeze() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.frozen {
		a.frozen = true
		return math.MaxInt64
	}
	return int64(len(a.seen))
}

func (a *accepted) thaw() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frozen = false
}

// missing is what the devices have sent and the broker never took.
func (a *accepted) missing(c fleet.Config) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for i := range c.Devices {
		for seq := 1; seq <= c.Messages; seq++ {
			if key := fmt.Sprintf("d%05d/%d", i, seq); !a.seen[key] {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}

// The broker is killed when everything it took has arrived: what it did not take is lost, message by message, and not one
// more. Nothing of it was acknowledged.
func TestBrokerKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	listener := faulty.Listen(t)
	address := listener.Addr().String()
	books := &accepted{seen: make(map[string]bool)}
	first := faulty.NewBroker(t, listener, books)
	t.Cleanup(first.Kill)
	c := config(t, faulty.StartBefore(t, first.URL).URL, "mqttjs-node,flutter-dart,esp8266-arduino", 6)
	c.Messages, c.Rate, c.Limits.Losses, c.Drain = 100, 40, 100, 5*time.Second
	for i := range c.Mix {
		c.Mix[i].Profile.Reconnect = profile.Backoff{First: 50 * time.Millisecond}
	}
	killed := false // owned by the progress
	c.Progress = func(p fleet.Progress) {
		// The counts are from before the broker was frozen: at the earliest the next ones tell that everything is there.
		if killed || p.Received < books.freeze() {
			return
		}
		killed = true
		first.Kill()
		again, err := net.Listen("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		books.thaw()
		second := faulty.NewBroker(t, again, books)
		t.Cleanup(second.Kill)
	}
	r := run(t, c)
	if want, got := books.missing(c), listed(r); !slices.Equal(want, got) || len(want) == 0 {
		t.Errorf("the broker never took %v\nlisted as lost are %v", want, got)
	}
	for q, x := range r.Delivery.QoS {
		if x.Sent != x.Received+x.Lost || x.LostAcked != 0 || x.Unfinished+x.Unacknowledged != 0 {
			t.Errorf("QoS %d does not add up: %+v", q, x)
		}
	}
}

// listed are the lost messages.
func listed(r *fleet.Result) []string {
	out := make(map[string]bool)
	for _, d := range r.Delivery.Lost {
		for _, x := range d.Ranges {
			for seq := x.First; seq <= x.Last; seq++ {
				out[fmt.Sprintf("%s/%d", r.Names[d.Device], seq)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

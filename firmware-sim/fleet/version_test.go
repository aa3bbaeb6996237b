package fleet_test

import (
	"strings"
	"sync"
	"testing"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/packet"
)

// subscriber notes how the verifying subscriber connects.
type subscriber struct {
	mqtt.HookBase

	mu       sync.Mutex
	versions []byte // guarded by mu
	clean    []bool // guarded by mu
}

func (*subscriber) ID() string           { return "subscriber" }
func (*subscriber) Provides(b byte) bool { return b == mqtt.OnConnect }

func (s *subscriber) OnConnect(_ *mqtt.Client, p packets.Packet) error {
	if strings.Contains(p.Connect.ClientIdentifier, "-witness-") {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.versions, s.clean = append(s.versions, p.ProtocolVersion), append(s.clean, p.Connect.Clean)
	}
	return nil
}

// TestSubscriberSpeaksWhatTheBrokerTakes: a broker that knows no MQTT 5 answers CONNACK 1 [MQTT-3.1.2-2] or closes, and the run is verified over
// 3.1.1, whose session the broker is told to forget.
func TestSubscriberSpeaksWhatTheBrokerTakes(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		fault  string
		forced packet.Version
		want   string
		took   string // the versions in the order of the CONNECT packets that the broker saw
	}{
		{"", 0, "5", "\x05"},
		{"refuses-5", 0, "3.1.1", "\x04\x04"},
		{"no-5", 0, "3.1.1", "\x04\x04"},
		{"", packet.V311, "3.1.1", "\x04\x04"},
	} {
		t.Run(x.fault+x.forced.String(), func(t *testing.T) {
			t.Parallel()
			heard := new(subscriber)
			c := config(t, faulty.StartBefore(t, faulty.StartBroker(t, heard).URL, x.fault).URL, "esp32-idf,esp8266-arduino", 4)
			c.Device.Version = x.forced
			r := run(t, c)
			if !r.Clean || r.WitnessMQTT != x.want {
				t.Errorf("verified over MQTT %s, want %s; broken: %s", r.WitnessMQTT, x.want, bad(r))
			}
			heard.mu.Lock()
			defer heard.mu.Unlock()
			if last := len(heard.clean) - 1; string(heard.versions) != x.took || heard.clean[last] != (x.want != "5") {
				t.Errorf("the subscriber connected with versions %d, clean sessions %t; the last must be clean before MQTT 5", heard.versions, heard.clean)
			}
		})
	}
}

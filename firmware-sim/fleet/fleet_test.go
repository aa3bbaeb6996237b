package fleet_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config is a short run of n devices of a mix. It ends when everything has been said and has arrived; the times are how long a
// slow machine may take for that. Tests in which something stays away set shorter ones.
func config(t *testing.T, url, mix string, n int) fleet.Config {
	t.Helper()
	e, err := wire.NewEndpoint(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := profile.ParseMix(mix)
	if err != nil {
		t.Fatal(err)
	}
	codec, err := payload.NewCodec("json", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return fleet.Config{
		Device:  device.Settings{Endpoint: e, Clean: true, Timeout: time.Minute, Seed: 1},
		Devices: n, Mix: m, Messages: 20, Duration: 3 * time.Minute, Rate: 50, QoS: [3]float64{1, 1, 1}, Model: "mixed",
		Codec: codec, Prefix: "t", IDs: fleet.Namer{ClientID: "d{n}"}, Birth: true, Drain: 20 * time.Second, DrainLimit: time.Minute,
	}
}

func run(t *testing.T, c fleet.Config) *fleet.Result {
	t.Helper()
	r, err := fleet.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bad returns the names of the promises that were broken.
func bad(r *fleet.Result) string {
	var names []string
	for _, f := range r.Checks {
		if !f.OK {
			names = append(names, f.Name)
		}
	}
	return strings.Join(names, ", ")
}

func TestEveryProfileRunsClean(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "all", 34)
	c.Commands = 20
	r := run(t, c)
	if !r.Clean {
		t.Errorf("broken: %s\n%+v", bad(r), r.Profiles)
	}
	var sent int64
	for q, x := range r.Delivery.QoS {
		if x.Sent == 0 || x.Received != x.Sent || q > 0 && x.Acked != x.Sent {
			t.Errorf("QoS %d: %+v", q, x)
		}
		sent += x.Sent
	}
	if sent != 34*20 {
		t.Errorf("%d messages, want %d", sent, 34*20)
	}
	if r.Births < 34 {
		t.Errorf("%d births", r.Births)
	}
}

// answers tells when a device has answered a command.
type answers struct {
	mqtt.HookBase
	once sync.Once
	came chan struct{}
}

func (a *answers) ID() string           { return "answers" }
func (a *answers) Provides(b byte) bool { return b == mqtt.OnPublish }

func (a *answers) OnPublish(_ *mqtt.Client, p packets.Packet) (packets.Packet, error) {
	if strings.HasSuffix(p.TopicName, "/answer") {
		a.once.Do(func() { close(a.came) })
	}
	return p, nil
}

// Devices that leave when they have sent everything may leave before a command is answered. These stay until one was.
func TestCommandsAreAnswered(t *testing.T) {
	t.Parallel()
	heard := &answers{came: make(chan struct{})}
	c := config(t, faulty.StartBefore(t, faulty.StartBroker(t, heard).URL).URL, "all", 34)
	c.Messages, c.Rate, c.Commands, c.Until = 0, 1, 20, heard.came
	if r := run(t, c); !r.Clean || r.Commands.Answered == 0 {
		t.Errorf("broken: %s, commands %+v", bad(r), r.Commands)
	}
}

func TestPlainTCPRunsClean(t *testing.T) {
	t.Parallel()
	if r := run(t, config(t, faulty.StartBroker(t).URL, "esp32-idf,hivemq-android", 4)); !r.Clean {
		t.Errorf("broken: %s", bad(r))
	}
}

func TestTLSRunsCleanAndIsVerified(t *testing.T) {
	t.Parallel()
	e, pool := faulty.StartTLS(t)
	c := config(t, e.URL, "esp32-idf,paho-java-android,autopaho-linux-arm", 3)
	c.Device.Endpoint.TLS = &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}
	if r := run(t, c); !r.Clean {
		t.Errorf("broken: %s %+v", bad(r), r.Profiles)
	}
	c = config(t, e.URL, "esp32-idf", 1)
	if _, err := fleet.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for was taken: %v", err)
	}
}

func TestVerdictNamesWhatTheEndpointDoes(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ fault, mix, broken string }{
		{"drops", "flutter-dart", "nothing lost"},
		{"doubles", "flutter-dart", "nothing doubled"},
		{"reorders", "flutter-dart", "in order"},
		{"corrupts", "flutter-dart", "nothing foreign"},
	} {
		t.Run(x.fault, func(t *testing.T) {
			t.Parallel()
			c := config(t, faulty.Start(t, x.fault).URL, x.mix, 1)
			c.QoS, c.Drain = [3]float64{1, 0, 0}, time.Second
			r := run(t, c)
			if !strings.Contains(bad(r), x.broken) {
				t.Errorf("broken: %q, want %q", bad(r), x.broken)
			}
		})
	}
}

// faultsFor runs one device with commands coming down and returns the faults its library met. The witness listens at
// the broker, so that only the device suffers.
func faultsFor(t *testing.T, name string, faults ...string) map[profile.Fault]int64 {
	t.Helper()
	e := faulty.Start(t, faults...)
	c := config(t, e.URL, name, 1)
	c.Rate, c.Messages, c.Duration, c.Commands, c.Drain = 5, 0, 500*time.Millisecond, 100, 300*time.Millisecond
	if len(faults) > 0 { // the run ends when one was met
		until := make(chan struct{})
		var once sync.Once
		c.Duration, c.Device.Timeout, c.Until = time.Minute, time.Second, until
		c.Progress = func(p fleet.Progress) {
			if p.Faults > 0 {
				once.Do(func() { close(until) })
			}
		}
	}
	var err error
	if c.Witness, err = wire.NewEndpoint(e.Broker, nil); err != nil {
		t.Fatal(err)
	}
	for i := range c.Mix {
		c.Mix[i].Profile.Reconnect = profile.Backoff{First: 100 * time.Millisecond}
	}
	return run(t, c).Profiles[0].Faults
}

func TestEveryLibraryLimitCanBeHit(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		profile, fault string
		want           profile.Fault
	}{
		{"esp32-idf", "long-101", profile.HeadTooLarge},
		{"paho-c-linux-arm", "101-in-pieces", profile.HeadInPieces},
		{"libmosquitto-gateway", "speaks-first", profile.BytesAfterHead},
		{"hivemq-android", "http-1.0", profile.NotSwitching},
		{"paho-java-android", "no-space", profile.HeaderForm},
		{"paho-java-android", "empty-header", profile.HeaderForm},
		{"esp8266-arduino", "wrong-accept", profile.AcceptHeader},
		{"hivemq-android", "no-echo", profile.SubprotocolAbsent},
		{"aws-crt", "extension-forced", profile.ExtensionsHeader},
		{"paho-java-android", "pings", profile.PingHit},
		{"esp32-idf-legacy", "pings", profile.PingHit},
		{"zephyr-cortex-m", "pings-empty", profile.PingHit},
		{"zephyr-cortex-m", "empty-down", profile.EmptyHit},
		{"libmosquitto-gateway", "empty-down", profile.EmptyHit},
		{"hivemq-android", "text-down", profile.TextHit},
		{"esp8266-arduino", "fragments-down", profile.ContinuationHit},
		{"esp8266-arduino", "splits-down", profile.Partial},
		{"avr-arduino", "coalesces", profile.Coalesced},
		{"flutter-dart", "masked-down", profile.MaskedHit},
		{"flutter-dart", "rsv-down", profile.ReservedHit},
		{"paho-java-android", "stalls", profile.MidFrameStall},
	} {
		t.Run(x.profile+"/"+x.fault, func(t *testing.T) {
			t.Parallel()
			if got := faultsFor(t, x.profile, x.fault); got[x.want] == 0 {
				t.Errorf("faults %v, want %s", got, x.want)
			}
			if got := faultsFor(t, x.profile); len(got) > 0 {
				t.Errorf("without the fault: %v", got)
			}
		})
	}
}

// opened tells when a run opens its nth connection.
func opened(c *fleet.Config, n int64) <-chan struct{} {
	reached := make(chan struct{})
	var count atomic.Int64
	c.Device.Endpoint.Open = func(ctx context.Context, network, address string) (net.Conn, error) {
		if count.Add(1) == n {
			close(reached)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return reached
}

func TestHostileDeviceIsRefusedOrReported(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "hostile-minimal", 1)
	c.Messages, c.Until = 0, opened(&c, 6) // by the witness, by the four offences, and by the next
	c.Mix[0].Profile.Reconnect.First = 50 * time.Millisecond
	if r := run(t, c); !r.Clean || r.Profiles[0].Refused < 4 {
		t.Errorf("broken: %s, %+v", bad(r), r.Profiles[0])
	}
	c = config(t, faulty.Start(t, "any-mask").URL, "hostile-minimal", 1)
	c.Messages, c.Device.Timeout, c.Until = 0, 3*time.Second, opened(&c, 6)
	c.Mix[0].Profile.Reconnect.First = 50 * time.Millisecond
	if r := run(t, c); r.Profiles[0].Faults[profile.HostileServed] == 0 || !strings.Contains(bad(r), "hostile devices refused") {
		t.Errorf("an endpoint that takes unmasked data went unnoticed: %+v", r.Profiles[0])
	}
}

// A hostile device that had no time for a single attempt has shown nothing.
func TestHostileDeviceWithoutAnAttemptIsNotClean(t *testing.T) {
	t.Parallel()
	e := faulty.Start(t)
	c := config(t, e.URL, "hostile-minimal", 1)
	var err error
	if c.Witness, err = wire.NewEndpoint(e.Broker, nil); err != nil {
		t.Fatal(err)
	}
	c.Messages, c.Until = 0, opened(&c, 1)
	c.Device.Impair, c.Device.Timeout = impair.Spec{Latency: 5 * time.Second}, 3*time.Second
	if r := run(t, c); bad(r) != "hostile devices refused" {
		t.Errorf("broken: %q", bad(r))
	}
}

func TestImpairedFleetLosesNothing(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "esp32-idf,zephyr-cortex-m,mqttjs-node,autopaho-linux-arm", 8)
	c.Device.Impair = impair.Spec{Latency: 5 * time.Millisecond, Jitter: 5 * time.Millisecond, Stall: 100 * time.Millisecond,
		StallP: 0.05, Bandwidth: 200000, SlowRead: 20000}
	if r := run(t, c); !r.Clean {
		t.Errorf("broken: %s, %+v", bad(r), r.Profiles)
	}
}

func TestResetsAndStormsAreSurvivedByPersistentSessions(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "hivemq-android,dotnet-mqttnet,legacy-mqttv31", 6)
	c.Device.Clean, c.Device.Expiry = false, 60
	c.QoS = [3]float64{0, 1, 0}
	c.Messages, c.Rate, c.Birth, c.Drain = 60, 40, false, 5*time.Second
	c.Device.Impair = impair.Spec{Storm: 400 * time.Millisecond, Reset: 8000}
	for i := range c.Mix {
		c.Mix[i].Profile.Reconnect = profile.Backoff{First: 30 * time.Millisecond}
	}
	r := run(t, c)
	// The in-process broker acknowledges before it publishes: when the connection breaks in between, it keeps the PUBACK for
	// the next connection and forgets the message. Such a loss is real, one at most for each connection; anything else would be ours.
	q, broken := r.Delivery.QoS[1], int64(0)
	for _, p := range r.Profiles {
		broken += p.Losses
	}
	if q.Lost != q.LostAcked || q.Lost > broken || q.Doubles > 0 || q.Sent != q.Received+q.Lost || r.End.CutShort {
		t.Errorf("broken: %s, %+v", bad(r), r.Delivery)
	}
	if broken == 0 {
		t.Error("no storm, no reset")
	}
}

func TestSameSeedSameFleet(t *testing.T) {
	t.Parallel()
	said := func() string {
		var mu sync.Mutex
		lines := make(map[string][]string)
		c := config(t, faulty.StartBroker(t).URL, "esp32-idf", 3)
		c.Birth, c.QoS = false, [3]float64{1, 1, 0}
		c.Device.Trace = func(id, line string) {
			mu.Lock()
			defer mu.Unlock()
			if strings.HasPrefix(line, "up") {
				lines[id] = append(lines[id], strings.ReplaceAll(line, " ", ""))
			}
		}
		run(t, c)
		var out strings.Builder
		for i := range 3 {
			for _, l := range lines[fmt.Sprintf("d%05d", i)] {
				fmt.Fprintln(&out, len(l), l[:6])
			}
		}
		return out.String()
	}
	a, b := said(), said()
	if a != b || !strings.Contains(a, "up32") {
		t.Errorf("two runs differ, or said nothing:\n%.300s\n%.300s", a, b)
	}
}

func TestUnreachableEndpointIsAnError(t *testing.T) {
	t.Parallel()
	l := faulty.Listen(t)
	_ = l.Close()
	c := config(t, "ws://"+l.Addr().String(), "esp32-idf", 1)
	if _, err := fleet.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "is it listening") {
		t.Errorf("got %v", err)
	}
}

package ota_test

import (
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/ota"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// update runs a campaign over devices of several kinds and returns how each ended. tamper may change what is announced.
func update(t *testing.T, shares ota.Shares, tamper func(*ota.Manifest, []byte)) map[ota.State]int {
	t.Helper()
	endpoint, err := wire.NewEndpoint(faulty.Start(t).URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	mix, _ := profile.ParseMix("esp32-idf,esp8266-arduino,zephyr-cortex-m,mqttjs-node,autopaho-linux-arm,avr-arduino")
	for i := range mix {
		mix[i].Profile.Reconnect = profile.Backoff{First: 50 * time.Millisecond}
	}
	codec, _ := payload.NewCodec("json", "", 0)
	settings := device.Settings{Endpoint: endpoint, Clean: true, Timeout: time.Minute, Seed: 3}
	c := fleet.Config{Device: settings, Devices: 12, Mix: mix, Duration: 3 * time.Minute, QoS: [3]float64{1, 0, 0}, Model: "constant",
		Codec: codec, Prefix: "t", IDs: fleet.Namer{ClientID: "d{n}"}, Drain: 200 * time.Millisecond}
	key := ota.Key(3)
	campaign := ota.NewCampaign("t", 3, key.Public().(ed25519.PublicKey), 512, shares, 10)
	c.Extra, c.Until = campaign.Agent, campaign.Done()
	image := ota.Image(3, 5000)
	manifest := ota.Sign(2, image, key)
	if tamper != nil {
		tamper(&manifest, image)
	}
	server := ota.NewServer("t", image, manifest, campaign.Heard)
	d := device.New(device.Identity{Index: 99, ClientID: "server", Filters: server.Filters(), FilterQoS: 1}, &ota.ServerProfile, &settings,
		server, nil, new(device.Counters))
	done := make(chan struct{})
	go func() { defer close(done); d.Run(context.Background()) }()
	if _, err := fleet.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	<-done
	ends := make(map[ota.State]int)
	for _, o := range campaign.Outcomes() {
		ends[o.State]++
		if tamper == nil && !o.OK {
			t.Errorf("%+v", o)
		}
		if tamper != nil && o.OK {
			t.Errorf("a forged update ended as expected: %+v", o)
		}
	}
	if len(campaign.Outcomes()) != 10 {
		t.Errorf("%d devices took part, want 10: the AVRs cannot", len(campaign.Outcomes()))
	}
	return ends
}

func TestEveryFateEndsAsItMust(t *testing.T) {
	for fate, want := range map[ota.Fate]ota.State{ota.Smooth: ota.Installed, ota.PowerLoss: ota.Installed, ota.FlashDefect: ota.BadHash,
		ota.BootFailure: ota.RolledBack, ota.AlreadyNewer: ota.Stale, ota.OtherKey: ota.BadSignature} {
		t.Run(string(fate), func(t *testing.T) {
			t.Parallel()
			if ends := update(t, ota.Shares{fate: 1}, nil); ends[want] != 10 {
				t.Errorf("ended %v, want all %s", ends, want)
			}
		})
	}
}

func TestForgedUpdatesAreRefused(t *testing.T) {
	t.Parallel()
	if ends := update(t, nil, func(m *ota.Manifest, _ []byte) { m.Version++ }); ends[ota.BadSignature] != 10 {
		t.Errorf("a changed manifest ended %v", ends)
	}
	if ends := update(t, nil, func(_ *ota.Manifest, image []byte) { image[4000] ^= 1 }); ends[ota.BadHash] != 10 {
		t.Errorf("a changed image ended %v", ends)
	}
}

func TestFatesAreDealtBySeed(t *testing.T) {
	fates := func(seed uint64) (out []ota.Fate) {
		p, _ := profile.Lookup("esp32-idf")
		c := ota.NewCampaign("t", seed, nil, 512, ota.Shares{ota.PowerLoss: 0.3, ota.FlashDefect: 0.3}, 100)
		for i := range 100 {
			c.Agent(string(rune('a'+i%26))+string(rune('a'+i/26)), i, &p)
		}
		for _, o := range c.Outcomes() {
			out = append(out, o.Fate)
		}
		return out
	}
	a, b, other := fates(1), fates(1), fates(2)
	same, differs := true, false
	for i := range a {
		same, differs = same && a[i] == b[i], differs || a[i] != other[i]
	}
	if !same || !differs {
		t.Errorf("same seed same fates: %v, other seed other fates: %v", same, differs)
	}
}

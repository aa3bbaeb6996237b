package profile_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/profile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The profiles that device-quirks.md, part C2, asks for.
const wanted = "esp32-idf esp32-idf-legacy esp8266-arduino avr-arduino zephyr-cortex-m stm32-wolfmqtt paho-c-linux-arm " +
	"libmosquitto-gateway paho-java-android hivemq-android flutter-dart paho-python-rpi mqttjs-node autopaho-linux-arm aws-crt " +
	"azure-iot-c dotnet-mqttnet legacy-mqttv31 hostile-minimal"

func TestEveryProfileIsThereAndExplained(t *testing.T) {
	for name := range strings.FieldsSeq(wanted) {
		p, err := profile.Lookup(name + "+doze+deepsleep+nbiot+ota+nojitter")
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Summary == "" || len(p.Known) == 0 || p.KeepAlive == 0 || p.Reconnect.First == 0 || p.MQTT == 0 {
			t.Errorf("%s is not complete: %+v", name, p)
		}
		if !p.OTA || p.Power.Doze == 0 || p.Power.Sleep == 0 || p.Radio.Zero() || p.Reconnect.Jitter != 0 {
			t.Errorf("%s: modifiers do not reach it", name)
		}
	}
	if got, want := len(profile.All()), len(strings.Fields(wanted)); got != want {
		t.Errorf("%d profiles, want %d", got, want)
	}
}

func TestMixesAreExact(t *testing.T) {
	mix, err := profile.ParseMix("esp32-idf=5,paho-java-android=3,zephyr-cortex-m+nbiot=2")
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, p := range mix.Deal(100) {
		count[p.Name]++
	}
	if count["esp32-idf"] != 50 || count["paho-java-android"] != 30 || count["zephyr-cortex-m+nbiot"] != 20 {
		t.Errorf("dealt %v", count)
	}
	for _, bad := range []string{"", "nobody", "esp32-idf=0", "esp32-idf=x", "esp32-idf+rain"} {
		if _, err := profile.ParseMix(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// The delays that A4 of device-quirks.md gives.
func TestReconnectDelays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for name, want := range map[string][]time.Duration{
		"esp32-idf":            {10 * time.Second, 10 * time.Second},
		"esp8266-arduino":      {500 * time.Millisecond, 500 * time.Millisecond},
		"mqttjs-node":          {time.Second, time.Second, time.Second},
		"libmosquitto-gateway": {time.Second, time.Second},
		"autopaho-linux-arm":   {10 * time.Second, 10 * time.Second},
		"paho-java-android": {time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second,
			128 * time.Second, 128 * time.Second},
		"paho-python-rpi+nojitter": {time.Second, 2 * time.Second},
	} {
		p, _ := profile.Lookup(name)
		for n, d := range want {
			if got := p.Reconnect.Delay(n, rng); got != d {
				t.Errorf("%s: attempt %d after %s, want %s", name, n, got, d)
			}
		}
	}
	spread := map[string]float64{"hivemq-android": 0.25, "paho-c-linux-arm": 0.2}
	for name, share := range spread {
		p, _ := profile.Lookup(name)
		low, high := time.Hour, time.Duration(0)
		for range 1000 {
			d := p.Reconnect.Delay(0, rng)
			low, high = min(low, d), max(high, d)
		}
		if low.Seconds() < 1-share || high.Seconds() > 1+share || high.Seconds()-low.Seconds() < share {
			t.Errorf("%s: between %s and %s", name, low, high)
		}
	}
}

func TestPahoJavaNeverMasksWithFF(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	p, _ := profile.Lookup("paho-java-android")
	var b profile.Burst
	for range 5000 {
		b.Reset()
		p.Uplink.Encode(&b, rng, []byte{0xC0, 0})
		for w := range b.Writes {
			for _, m := range w[2:6] {
				if m == 0xFF {
					t.Fatalf("% x", w)
				}
			}
		}
	}
}

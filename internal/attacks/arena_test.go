//go:build linux

package attacks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/mosquitto"
)

// arena is a running bridge with its broker and an innocent device.
type arena struct {
	bridge   *bridgeproc.Bridge
	broker   *mosquitto.Broker
	innocent *innocent
}

// Limits of the bridges in arenas, short enough to be waited for.
const (
	shortTime  = 2 * time.Second // for a handshake, a CONNECT, a CONNACK, a write
	handshakes = 64
	packetSize = 1 << 20
)

// shortLimits are the arguments that say so. Probes of the broker are rare, so that its log shows what devices did.
var shortLimits = []string{
	"--limits.handshake-timeout", shortTime.String(), "--limits.connect-timeout", shortTime.String(),
	"--upstream.connack-timeout", shortTime.String(), "--limits.write-timeout", shortTime.String(),
	"--limits.handshakes", fmt.Sprint(handshakes), "--limits.packet-size", fmt.Sprint(packetSize),
	"--upstream.health-interval", "1h", "--log.level", "debug", "--log.rate", "0", // each line counts
}

// Machines in front of the plain arena's bridge.
const (
	trustedProxy = "127.7.0.1" // its X-Forwarded-For is believed
	proxyHost    = "127.8.0.1" // its connections begin with a PROXY header
	goodOrigin   = "https://good.example"
)

// plainArena has neither identities nor rules: the broker decides alone.
var plainArena = once(func(t testing.TB) *arena { return openPlain(t) })

// openPlain starts such an arena, whose bridge is run by a wrapper.
func openPlain(t testing.TB, wrapper ...string) *arena {
	t.Helper()
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + broker.TCP, TLS: true, Wrapper: wrapper,
		Args: append([]string{
			"--origins", goodOrigin, "--addresses.header", "x-forwarded-for", "--addresses.trusted-proxies", "127.7.0.0/16",
			"--addresses.proxy-protocol", "127.8.0.0/16",
		}, shortLimits...),
	})
	return &arena{bridge: bridge, broker: broker, innocent: befriend(t, bridge.WS+"/mqtt", http.Header{})}
}

// attack is one test in an arena, from the samples before to those after.
type attack struct {
	*arena
	t       *testing.T
	before  sample
	counted map[string]float64 // metrics before
	mark    int                // length of the log before
}

// plain begins an attack in the plain arena.
func plain(t *testing.T) *attack {
	t.Helper()
	return plainArena(t).begin(t)
}

// begin takes the samples before; the end of the test takes those after and judges.
func (a *arena) begin(t *testing.T) *attack {
	t.Helper()
	a.innocent.goesOn(t)
	forgetPeak(t, a.bridge)
	k := &attack{arena: a, t: t, before: take(t, a.bridge), counted: metrics(t, a.bridge), mark: len(a.bridge.Said())}
	seen, _ := a.innocent.count()
	t.Cleanup(func() { k.judge(seen) })
	return k
}

// judge compares with what was before. seen is the number of the innocent device's messages before.
func (k *attack) judge(seen int) {
	k.t.Helper()
	k.innocent.goesOn(k.t)
	if k.t.Failed() {
		k.t.Logf("what the bridge said last:\n%s", last(k.said(), 40))
		return
	}
	closedAll(k.t, k.bridge, k.before)
	after, ok := settled(k.t, k.bridge, k.before)
	if !ok {
		k.t.Errorf("the bridge does not come back:\nbefore: %v\nafter:  %v", k.before, after)
	}
	peak := memoryOf(k.t, k.bridge, "VmHWM") - k.before.resident
	if peak > marginPeak {
		k.t.Errorf("the resident memory grew by %d KiB", peak>>10)
	}
	for _, line := range k.logged("internal-error") {
		k.t.Errorf("a fault in the bridge: %v", line)
	}
	times := k.innocent.since(seen)
	line := fmt.Sprintf("%-40s %5d messages, p99 %7v; reachable %+5d KiB, peak %+6d KiB resident, descriptors %+d, goroutines %+d",
		k.t.Name(), len(times), times[len(times)*99/100].Round(10*time.Microsecond), (after.memory-k.before.memory)>>10, peak>>10,
		after.descriptors-k.before.descriptors, after.goroutines-k.before.goroutines)
	k.t.Log(line)
	report.add("%s", line)
}

// said is what the bridge has said since the attack began.
func (k *attack) said() string { return k.bridge.Said()[k.mark:] }

// logged returns the log lines with this reason since the attack began.
func (k *attack) logged(reason string) []map[string]any {
	k.t.Helper()
	var found []map[string]any
	for text := range strings.Lines(k.said()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			if strings.HasSuffix(text, "\n") {
				k.t.Fatalf("a log line is not JSON: %v: %q", err, text)
			}
			break // not all of it is there yet
		}
		if line["reason"] == reason {
			found = append(found, line)
		}
	}
	return found
}

// wantReason waits until the log and the metrics give this reason n times, and returns the lines.
func (k *attack) wantReason(reason string, n int) []map[string]any {
	k.t.Helper()
	var found []map[string]any
	var counted float64
	if !eventually(func() bool {
		found, counted = k.logged(reason), k.rise(reason)
		return len(found) >= n && counted >= float64(n)
	}) || len(found) != n || counted != float64(n) {
		k.t.Errorf("%q stands %d times in the log and %v times in the metrics, want %d", reason, len(found), counted, n)
	}
	return found
}

// rise is how often the metrics have counted a reason since the attack began.
func (k *attack) rise(reason string) float64 {
	k.t.Helper()
	now, rise := metrics(k.t, k.bridge), 0.0
	for _, name := range []string{"refusals_total", "session_ends_total", "abandoned_total"} {
		series := fmt.Sprintf("mqtt_ws_bridge_%s{reason=%q}", name, reason)
		rise += now[series] - k.counted[series]
	}
	return rise
}

// wantUnheard sees that the broker has heard nothing with these words. The innocent device's next messages are behind whatever
// was passed on.
func (k *attack) wantUnheard(words ...string) {
	k.t.Helper()
	k.innocent.goesOn(k.t)
	for _, word := range words {
		if n := k.broker.Log.Count(word); n != 0 {
			k.t.Errorf("the broker has heard of %q", word)
		}
	}
}

// last is the end of a text.
func last(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

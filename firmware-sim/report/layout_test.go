package report_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"mqtt-ws-bridge/firmware-sim/check"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/load"
	"mqtt-ws-bridge/firmware-sim/ota"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/report"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// wide is a run with large numbers everywhere.
func wide() *fleet.Result {
	r := result()
	for _, p := range profile.All() {
		r.Profiles = append(r.Profiles, fleet.ProfileResult{Name: p.Name + "+nbiot", Devices: 1_000_000, Connects: 12_345_678, Failures: 123_456, Losses: 123_456,
			Published: 1_234_567_890, Received: 1_234_567_890, BytesUp: 1 << 42, BytesDown: 1 << 42, Faults: map[profile.Fault]int64{profile.PingHit: 12345},
			Errors: map[string]int64{strings.Repeat("many words ", 40): 3}})
	}
	for q := range r.Delivery.QoS {
		r.Delivery.QoS[q] = verify.Totals{Sent: 1_234_567_890, Received: 1_234_567_890, Reordered: 1_234_567_890}
		r.Delivery.Latency[q] = verify.Latency{Max: time.Hour + 23*time.Minute + 45670*time.Millisecond}
	}
	r.Checks = append(r.Checks, fleet.Finding{Name: "client libraries content", Detail: strings.Repeat("several-packets-in-a-frame 12345, ", 9)})
	return r
}

// TestNothingIsWiderThanATerminal: 80 columns hold every table, whatever the numbers.
func TestNothingIsWiderThanATerminal(t *testing.T) {
	seen := strings.Repeat("HTTP/1.1 400 Bad Request and words ", 9)
	outcomes := []check.Outcome{{ID: "no-ping-between-fragments!", Title: strings.Repeat("what must hold ", 9), Rule: "RFC 6455 4.2.1", Breaks: []string{"esp32-idf"},
		Status: check.Fail, Seen: seen}, {ID: "b", Status: check.Skipped, Seen: seen}}
	updates := []ota.Outcome{{Device: "alpha", Fate: "bad-signature", Expected: "refused-signature", State: "failed-hash", Detail: strings.Repeat("detail ", 30)}}
	loaded := &load.Result{Mode: load.Down, URL: "ws://127.0.0.1:8083/mqtt", Devices: 1_000_000, Sent: math.MaxInt64, Received: math.MaxInt64, Acked: math.MaxInt64,
		BytesUp: math.MaxInt64, Measured: time.Hour, Latency: verify.Latency{Count: 1, Max: time.Hour}, Errors: []string{seen}}
	for name, write := range map[string]func(io.Writer) error{
		"run":   func(w io.Writer) error { return report.Run(w, wide()) },
		"check": func(w io.Writer) error { return report.Check(w, "ws://x", outcomes, false) },
		"load":  func(w io.Writer) error { return report.Load(w, loaded) },
		"ota":   func(w io.Writer) error { return report.Updates(w, updates) },
	} {
		var out bytes.Buffer
		if err := write(&out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s: %d columns: %s", name, n, line)
			}
		}
		if name == "check" && !strings.Contains(strings.Join(strings.Fields(out.String()), " "), strings.TrimSpace(seen)) {
			t.Errorf("the sentence is lost in folding:\n%s", out.String())
		}
	}
	p := fleet.Progress{Elapsed: time.Hour, Devices: 10000, Online: 10000, Connects: 20000, Sent: 1_234_567, Received: 1_234_567}
	if line := report.Progress(p); len(line) > 80 {
		t.Errorf("%d columns: %s", len(line), line)
	}
}

// broken is a writer that fails.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("no room")

func TestReportsTellOfABrokenWriter(t *testing.T) {
	if err := report.Run(broken{}, result()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

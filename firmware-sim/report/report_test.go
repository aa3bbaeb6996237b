package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/check"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/load"
	"mqtt-ws-bridge/firmware-sim/ota"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/report"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// result is a run in which everything happened that a table has words for.
func result() *fleet.Result {
	r := &fleet.Result{URL: "ws://x/mqtt", Seed: 7, Devices: 2, Elapsed: 1234 * time.Millisecond,
		Profiles: []fleet.ProfileResult{{Name: "esp32-idf", Devices: 2, Connects: 3, Losses: 1, BytesUp: 20480, Absent: 1,
			Faults: map[profile.Fault]int64{profile.PingHit: 2}, Errors: map[string]int64{"lost: EOF": 1}}},
		Commands: &fleet.CommandReport{Sent: 5, Answered: 4, Interrupted: 1},
		Births:   3, Wills: 1, WitnessGaps: 1, WitnessMQTT: "5", Memory: fleet.Memory{PerDevice: 17 << 10, Devices: 2},
		End:    fleet.End{Silence: 3 * time.Second, Limit: time.Minute, Waited: 61 * time.Second, CutShort: true},
		Checks: []fleet.Finding{{Name: "nothing lost", Detail: "2 of 9"}, {Name: "in order", OK: true, Detail: "none"}},
		Names:  map[int]string{0: "alpha", 1: "beta"}}
	r.Delivery.QoS[1] = verify.Totals{Sent: 9, Acked: 6, Received: 6, Lost: 2, Unfinished: 1}
	r.Delivery.Lost = []verify.DeviceLoss{{Device: 0, Ranges: []verify.Range{{First: 3, Last: 4, QoS: 1, Acked: true}}},
		{Device: 1, Ranges: []verify.Range{{First: 9, Last: 9, QoS: 1, Held: true}}}}
	r.Delivery.Behind = []verify.Reorder{{Device: 1, QoS: 1, Seq: 2, After: 5}}
	return r
}

func TestRunSaysWhatHappened(t *testing.T) {
	var out bytes.Buffer
	if err := report.Run(&out, result()); err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"2 devices at ws://x/mqtt, seed 7, 1.234s", "esp32-idf 2 3 0 1 2", "esp32-idf 0 0 20.0 KiB 0 B", "MESSAGES QOS 1", "sent 9", "lost 2", "unfinished 1",
		"commands 5, answered 4, interrupted 1, unanswered 0", "births 3, wills 1", "verified over MQTT 5, gaps of the verifying subscriber 1",
		"at the end waited 1m1s for devices; 3s of silence allowed, 1m0s in all, and cut short",
		"memory 17.0 KiB per device (2 online", "lost: alpha messages 3-4 (QoS 1, acknowledged)",
		"unfinished: beta message 9 (QoS 1, never acknowledged)", "reordered: beta message 2 (QoS 1) behind 5",
		"esp32-idf: 1 x lost: EOF", "FAIL nothing lost 2 of 9", "ok in order none", "verdict: FAILED",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	r := result()
	r.Clean, r.End.CutShort = true, false
	out.Reset()
	if err := report.Run(&out, r); err != nil || !strings.Contains(out.String(), "verdict: clean") || strings.Contains(out.String(), "cut short") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestJSONIsWhatTheRunFound(t *testing.T) {
	var out bytes.Buffer
	if err := report.JSON(&out, result()); err != nil {
		t.Fatal(err)
	}
	var back fleet.Result
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Delivery.QoS[1].Unfinished != 1 || !back.Delivery.Lost[1].Ranges[0].Held {
		t.Errorf("%v: %+v", err, back.Delivery)
	}
}

func TestJUnitCountsAndEscapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.xml")
	cases := append(report.Cases(result()), report.CheckCases([]check.Outcome{
		{ID: "a", Title: "x < y", Status: check.Fail, Seen: `"&"`},
		{ID: "b", Status: check.Skipped}})...)
	cases = append(cases, report.UpdateCases([]ota.Outcome{{Device: "alpha", OK: true}})...)
	if err := report.JUnit(path, cases); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Suites []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Skipped  int    `xml:"skipped,attr"`
			Cases    []struct {
				Failure *struct {
					Text string `xml:"message,attr"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &got); err != nil || len(got.Suites) != 4 {
		t.Fatalf("%v: %s", err, text)
	}
	for i, want := range []struct {
		name                     string
		tests, failures, skipped int
	}{{"run", 2, 1, 0}, {"profiles", 1, 1, 0}, {"check", 2, 1, 1}, {"ota", 1, 0, 0}} {
		s := got.Suites[i]
		if s.Name != "firmware-sim."+want.name || s.Tests != want.tests || s.Failures != want.failures || s.Skipped != want.skipped {
			t.Errorf("%+v, want %+v", s, want)
		}
	}
	if f := got.Suites[2].Cases[0].Failure; f == nil || f.Text != `x < y: "&"` {
		t.Errorf("%+v", f)
	}
	if err := report.JUnit(filepath.Join(path, "no", "directory"), cases); err == nil {
		t.Error("a file in a file was written")
	}
}

func TestCheckNamesWhoBreaks(t *testing.T) {
	outcomes := []check.Outcome{{ID: "a", Title: "small", Breaks: []string{"esp32-idf"}, Status: check.Fail, Seen: "big | wide"},
		{ID: "b", Status: check.Pass}}
	for markdown, wants := range map[bool][]string{
		false: {"breaks: esp32-idf", "seen: big | wide", "ws://x: 1 of 2 assertions hold; verdict: FAILED"},
		true:  {"| `a` | small |", "**FAIL** | big \\| wide |", "1 of 2 assertions hold."},
	} {
		var out bytes.Buffer
		if err := report.Check(&out, "ws://x", outcomes, markdown); err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q is not in\n%s", want, out.String())
			}
		}
	}
}

func TestLoadAndUpdates(t *testing.T) {
	var out bytes.Buffer
	r := &load.Result{Mode: load.Down, URL: "ws://x", Devices: 2, Connected: 2, Flushed: 2, Measured: 2 * time.Second, Errors: []string{"odd"}}
	if err := report.Load(&out, r); err != nil || !strings.Contains(out.String(), "nothing was received") || !strings.Contains(out.String(), "error: odd") ||
		!strings.Contains(out.String(), "flushed 2 of 2, lost 0; verdict: FAILED") {
		t.Errorf("%v: %s", err, out.String())
	}
	out.Reset()
	outcomes := []ota.Outcome{{Device: "a", Fate: "smooth", Expected: "installed", State: "installed", OK: true}, {Device: "b", Fate: "smooth", Expected: "installed", State: "failed-hash"}}
	if err := report.Updates(&out, outcomes); err != nil || !strings.Contains(out.String(), `b: smooth, expected installed, got "failed-hash"`) {
		t.Errorf("%v: %s", err, out.String())
	}
}

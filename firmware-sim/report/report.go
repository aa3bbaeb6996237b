// Package report writes what a run or a check found out: as tables for people, as JSON for scripts, as JUnit for CI.
package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// JSON writes v, indented.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Run writes a fleet's result as tables.
func Run(w io.Writer, r *fleet.Result) error {
	p := &page{w: w}
	p.line("%d devices at %s, seed %d, %s", r.Devices, r.URL, r.Seed, r.Elapsed.Round(time.Millisecond))
	p.line("")
	profiles(p, r)
	deliveries(p, r)
	if c := r.Commands; c != nil {
		p.line("commands %d, answered %d, interrupted %d, unanswered %d, round trip p50 %s, p99 %s", c.Sent, c.Answered,
			c.Interrupted, c.Unanswered, short(c.RoundTrip.P50), short(c.RoundTrip.P99))
	}
	p.line("births %d, wills %d", r.Births, r.Wills)
	p.line("verified over MQTT %s, gaps of the verifying subscriber %d", r.WitnessMQTT, r.WitnessGaps)
	p.line("at the end waited %s for devices; %s of silence allowed, %s in all%s", short(r.End.Waited), short(r.End.Silence), short(r.End.Limit), cutShort(r.End))
	p.line("memory %s per device (%d online; resident +%s, heap +%s, stacks +%s)", Size(r.Memory.PerDevice), r.Memory.Devices,
		Size(r.Memory.Resident), Size(r.Memory.Heap), Size(r.Memory.Stacks))
	lost(p, r)
	for _, b := range r.Delivery.Behind {
		p.line("reordered: %s message %d (QoS %d) behind %d", r.Names[b.Device], b.Seq, b.QoS, b.After)
	}
	errors(p, r)
	p.line("")
	var checks [][]string
	for _, f := range r.Checks {
		checks = append(checks, []string{mark(f.OK), f.Name, f.Detail})
	}
	p.described(checks)
	p.line("\nverdict: %s", verdict(r.Clean))
	return p.err
}

// profiles writes what became of the devices of each profile: first of their connections, then of what they said and heard.
func profiles(p *page, r *fleet.Result) {
	links := [][]string{{"PROFILE", "DEVICES", "CONNECTS", "FAILED", "LOST", "FAULTS"}}
	bytes := [][]string{{"PROFILE", "PUBLISHED", "RECEIVED", "UP", "DOWN"}}
	for _, x := range r.Profiles {
		faults := int64(0)
		for _, n := range x.Faults {
			faults += n
		}
		links = append(links, []string{x.Name, fmt.Sprint(x.Devices), fmt.Sprint(x.Connects), fmt.Sprint(x.Failures), fmt.Sprint(x.Losses), fmt.Sprint(faults)})
		bytes = append(bytes, []string{x.Name, fmt.Sprint(x.Published), fmt.Sprint(x.Received), Size(x.BytesUp), Size(x.BytesDown)})
	}
	p.table(links)
	p.line("")
	p.table(bytes)
	p.line("")
}

// deliveries writes a column for each QoS that was used.
func deliveries(p *page, r *fleet.Result) {
	head := []string{"MESSAGES"}
	var rows [][]string
	for q, x := range r.Delivery.QoS {
		if x.Sent == 0 {
			continue
		}
		head = append(head, fmt.Sprintf("QOS %d", q))
		l := r.Delivery.Latency[q]
		for i, cell := range []struct{ name, value string }{
			{"sent", fmt.Sprint(x.Sent)}, {"resent", fmt.Sprint(x.Resent)}, {"acknowledged", fmt.Sprint(x.Acked)},
			{"arrived", fmt.Sprint(x.Received)}, {"lost", fmt.Sprint(x.Lost)}, {"unfinished", fmt.Sprint(x.Unfinished + x.Unacknowledged)},
			{"doubled", fmt.Sprint(x.Doubles)}, {"redelivered", fmt.Sprint(x.Redelivered)}, {"reordered", fmt.Sprint(x.Reordered)},
			{"p50", short(l.P50)}, {"p99", short(l.P99)}, {"max", short(l.Max)},
		} {
			if i == len(rows) {
				rows = append(rows, []string{cell.name})
			}
			rows[i] = append(rows[i], cell.value)
		}
	}
	if len(rows) > 0 {
		p.table(append([][]string{head}, rows...))
		p.line("")
	}
}

// lost lists the first lost ranges; all of them are in the JSON.
func lost(p *page, r *fleet.Result) {
	const most = 10
	shown := 0
	for _, d := range r.Delivery.Lost {
		for _, x := range d.Ranges {
			if shown++; shown > most {
				continue
			}
			p.line("%s: %s %s", fate(x), r.Names[d.Device], describe(x))
		}
	}
	if more := shown - most + r.Delivery.Omitted; more > 0 {
		p.line("%d more ranges of lost or unfinished messages, see --json", more)
	}
}

func fate(x verify.Range) string {
	if x.Held {
		return "unfinished"
	}
	return "lost"
}

func describe(x verify.Range) string {
	text := fmt.Sprintf("message %d", x.First)
	if x.Last != x.First {
		text = fmt.Sprintf("messages %d-%d", x.First, x.Last)
	}
	text += fmt.Sprintf(" (QoS %d", x.QoS)
	switch {
	case x.Acked:
		text += ", acknowledged"
	case x.QoS > 0:
		text += ", never acknowledged"
	}
	return text + ")"
}

func errors(w *page, r *fleet.Result) {
	for _, p := range r.Profiles {
		for i, text := range slices.Sorted(maps.Keys(p.Errors)) {
			if i == 5 {
				w.line("%s: %d further kinds of errors, see --json", p.Name, len(p.Errors)-i)
				break
			}
			w.line("%s: %d x %s", p.Name, p.Errors[text], text)
		}
	}
}

func cutShort(e fleet.End) string {
	if e.CutShort {
		return ", and cut short"
	}
	return ""
}

func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAIL"
}

func verdict(clean bool) string {
	if clean {
		return "clean"
	}
	return "FAILED"
}

// Size writes a number of bytes for people.
func Size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 10<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/1024)
	}
	return fmt.Sprintf("%d B", n)
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

// Progress is a run's state on one line.
func Progress(p fleet.Progress) string {
	return fmt.Sprintf("%s  online %d/%d  connects %d  sent %d  under way %d  faults %d", p.Elapsed.Round(time.Second),
		p.Online, p.Devices, p.Connects, p.Sent, p.Sent-p.Received, p.Faults)
}

// Case is one test case of a JUnit file.
type Case struct {
	Suite, Name, Detail string
	OK, Skipped         bool
}

// Cases turns a fleet's verdict into test cases: one per promise, and one per profile for its faults.
func Cases(r *fleet.Result) []Case {
	var out []Case
	for _, f := range r.Checks {
		out = append(out, Case{Suite: "run", Name: f.Name, Detail: f.Detail, OK: f.OK})
	}
	for _, p := range r.Profiles {
		out = append(out, Case{Suite: "profiles", Name: p.Name, OK: len(p.Faults) == 0 && p.Absent == 0,
			Detail: fmt.Sprintf("%d absent, faults %v", p.Absent, p.Faults)})
	}
	return out
}

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testcase `xml:"testcase"`
}

type testcase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Failure *message `xml:"failure,omitempty"`
	Skipped *message `xml:"skipped,omitempty"`
}

type message struct {
	Text string `xml:"message,attr"`
}

// JUnit writes cases to a file.
func JUnit(path string, cases []Case) error {
	var all suites
	at := make(map[string]int)
	for _, c := range cases {
		i, known := at[c.Suite]
		if !known {
			i = len(all.Suites)
			at[c.Suite] = i
			all.Suites = append(all.Suites, suite{Name: "firmware-sim." + c.Suite})
		}
		s := &all.Suites[i]
		s.Tests++
		tc := testcase{Name: c.Name, Class: s.Name}
		switch {
		case c.Skipped:
			s.Skipped++
			tc.Skipped = &message{c.Detail}
		case !c.OK:
			s.Failures++
			tc.Failure = &message{c.Detail}
		}
		s.Cases = append(s.Cases, tc)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append([]byte(xml.Header), append(text, '\n')...), 0o644); err != nil {
		return fmt.Errorf("JUnit file: %w", err)
	}
	return nil
}

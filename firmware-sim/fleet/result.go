package fleet

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// Result is everything a run found out. Its JSON form is the interface to scripts.
type Result struct {
	URL      string          `json:"url"`
	Seed     uint64          `json:"seed"`
	Devices  int             `json:"devices"`
	Elapsed  time.Duration   `json:"elapsed_ns"`
	Profiles []ProfileResult `json:"profiles"`
	Delivery verify.Report   `json:"delivery"`
	Commands *CommandReport  `json:"commands,omitempty"`
	Births   int64           `json:"births"`
	Wills    int64           `json:"wills"`
	Memory   Memory          `json:"memory"`
	// WitnessMQTT is the version of MQTT that the verifying subscriber spoke.
	WitnessMQTT string `json:"witness_mqtt"`
	// WitnessGaps is how often the verifying subscriber was cut off; devices held still meanwhile.
	WitnessGaps int       `json:"witness_gaps"`
	End         End       `json:"end"`
	Checks      []Finding `json:"checks"`
	Clean       bool      `json:"clean"`
	// Names gives lost and reordered messages a device name.
	Names map[int]string `json:"names,omitempty"`
}

// ProfileResult is what happened to the devices of one profile.
type ProfileResult struct {
	Name      string                  `json:"name"`
	Devices   int                     `json:"devices"`
	Connects  int64                   `json:"connects"`
	Failures  int64                   `json:"connect_failures"`
	Losses    int64                   `json:"connections_lost"`
	Refused   int64                   `json:"hostile_refused"`
	Published int64                   `json:"published"`
	Received  int64                   `json:"received"`
	BytesUp   int64                   `json:"up_bytes"`
	BytesDown int64                   `json:"down_bytes"`
	Faults    map[profile.Fault]int64 `json:"faults,omitempty"`
	Errors    map[string]int64        `json:"errors,omitempty"`
	// Absent devices never got online.
	Absent  int `json:"absent"`
	hostile bool
}

// Finding is one sentence of the verdict.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

func (r *run) result() *Result {
	c := r.config
	res := &Result{URL: c.Device.Endpoint.URL.Redacted(), Seed: c.Device.Seed, Devices: c.Devices,
		Elapsed: r.ended.Sub(r.started), Delivery: r.shared.ledger.Report(), Commands: r.answers,
		Births: r.witness.births.Load(), Wills: r.witness.wills.Load(), Memory: r.memory,
		WitnessMQTT: r.subscriber.Version().String(), WitnessGaps: max(0, r.shared.gate.closings()), End: r.end, Names: make(map[int]string)}
	for _, name := range slices.Sorted(maps.Keys(r.counters)) {
		res.Profiles = append(res.Profiles, r.profileResult(name))
	}
	for _, l := range res.Delivery.Lost {
		res.Names[l.Device] = r.behave[l.Device].id
	}
	for _, b := range res.Delivery.Behind {
		res.Names[b.Device] = r.behave[b.Device].id
	}
	res.Checks = r.verdict(res)
	res.Clean = true
	for _, f := range res.Checks {
		res.Clean = res.Clean && f.OK
	}
	return res
}

func (r *run) profileResult(name string) ProfileResult {
	n := r.counters[name]
	p := ProfileResult{Name: name, Connects: n.Connects.Load(), Failures: n.Failures.Load(), Losses: n.Losses.Load(),
		Refused: n.Refused.Load(), Published: n.Published.Load(), Received: n.Received.Load(), BytesUp: n.BytesUp.Load(),
		BytesDown: n.BytesDown.Load(), Faults: n.Faults(), Errors: n.Errors()}
	for i, dealt := range r.dealt {
		if dealt.Name != name {
			continue
		}
		p.Devices++
		p.hostile = dealt.Hostile
		if r.behave[i].epoch.Load() == 0 && !dealt.Hostile {
			p.Absent++
		}
	}
	return p
}

// verdict puts every promise to the test that a run can judge.
func (r *run) verdict(res *Result) []Finding {
	var absent, faults int
	kinds := make(map[profile.Fault]int64)
	for _, p := range res.Profiles {
		absent += p.Absent
		for f, n := range p.Faults {
			kinds[f] += n
			faults += int(n)
		}
	}
	var t verify.Totals
	for _, q := range res.Delivery.QoS {
		t.Sent += q.Sent
		t.Lost += q.Lost
		t.LostAcked += q.LostAcked
		t.Doubles += q.Doubles
		t.Unfinished += q.Unfinished
		t.Unacknowledged += q.Unacknowledged
		t.Reordered += q.Reordered
	}
	limits := r.config.Limits
	out := []Finding{
		finding("connected", absent == 0, "%d of %d devices never got online", absent, res.Devices),
		finding("nothing lost", float64(t.Lost) <= limits.Loss*float64(t.Sent), "%d of %d messages lost, %d of them acknowledged", t.Lost, t.Sent, t.LostAcked),
		finding("nothing unfinished", float64(t.Unfinished+t.Unacknowledged) <= limits.Loss*float64(t.Sent),
			"%d messages that devices would have sent again had not arrived at the end, %d had and were not acknowledged", t.Unfinished, t.Unacknowledged),
		finding("nothing doubled", t.Doubles == 0, "%d messages arrived more often than they were sent", t.Doubles),
		finding("in order", t.Reordered == 0, "%d messages arrived behind a later one of the same device and QoS", t.Reordered),
		finding("nothing foreign", res.Delivery.Foreign == 0, "%d messages that no device had sent", res.Delivery.Foreign),
		finding("client libraries content", faults == 0, "%d faults: %s", faults, list(kinds)),
	}
	out = append(out, r.connections(res)...)
	out = append(out, hostile(res)...)
	if c := res.Commands; c != nil {
		out = append(out, finding("commands answered", c.Unanswered == 0, "%d of %d commands unanswered, %d interrupted", c.Unanswered, c.Sent, c.Interrupted))
	}
	if r.config.Findings != nil {
		out = append(out, r.config.Findings()...)
	}
	if limits.P99 > 0 {
		worst := max(res.Delivery.Latency[0].P99, res.Delivery.Latency[1].P99, res.Delivery.Latency[2].P99)
		out = append(out, finding("in time", worst <= limits.P99, "p99 %s, allowed %s", worst.Round(time.Microsecond), limits.P99))
	}
	return out
}

// hostile judges whether the devices that must be refused were; nothing to judge is nothing shown.
func hostile(res *Result) []Finding {
	var devices int
	var refused, served, failed int64
	for _, p := range res.Profiles {
		if p.hostile {
			devices += p.Devices
			refused += p.Refused
			served += p.Faults[profile.HostileServed]
			failed += p.Failures
		}
	}
	if devices == 0 {
		return nil
	}
	return []Finding{finding("hostile devices refused", refused > 0 && served == 0,
		"%d attempts of %d devices refused, %d served, %d did not get as far", refused, devices, served, failed)}
}

func finding(name string, ok bool, format string, args ...any) Finding {
	return Finding{Name: name, OK: ok, Detail: fmt.Sprintf(format, args...)}
}

func list(kinds map[profile.Fault]int64) string {
	text := ""
	for _, f := range slices.Sorted(maps.Keys(kinds)) {
		text += fmt.Sprintf(" %s %d,", f, kinds[f])
	}
	if text == "" {
		return "none"
	}
	return text[1 : len(text)-1]
}

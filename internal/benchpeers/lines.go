package main

import (
	"fmt"

	"mqtt-ws-bridge/internal/benchpeers/peer"
	"mqtt-ws-bridge/internal/benchpeers/report"
)

// The figures of a sample that lines show.
var (
	cpu        = func(s sample) float64 { return s.CPU }
	rate       = func(s sample) float64 { return s.Rate }
	throughput = func(s sample) float64 { return s.Throughput }
	p50        = func(s sample) float64 { return s.P50 }
	p99        = func(s sample) float64 { return s.P99 }
	broker     = func(s sample) float64 { return s.Broker }
	allocs     = func(s sample) float64 { return s.Allocs }
	memory     = func(s sample) float64 { return s.Memory }
	idleCPU    = func(s sample) float64 { return s.IdleCPU }
)

// line is one row of a table of results.
type line struct {
	title, load string
	pick        func(sample) float64
	against     []string // the peers whose best is 1.0; none where the figure itself is held against target and limit
	// What is wanted and what must not be exceeded; 0 for no such word. With more, more is better.
	target, limit float64
	more          bool
}

var (
	passers = []string{peer.HAProxy, peer.Nginx}
	haproxy = []string{peer.HAProxy}
	nginx   = []string{peer.Nginx}
)

// goals are the rows that have a target.
var goals = []line{
	{"up, one frame per write: µs per message", "up-single", cpu, passers, 1, 2, false},
	{"up, 64 frames per write: µs per message", "up-burst", cpu, passers, 1, 2, false},
	{"up, 10,000 messages/s in all: µs per message", "up-paced", cpu, passers, 1, 2, false},
	{"down, one packet per write: µs per message", "down-single", cpu, haproxy, 1, 2, false},
	{"down, 64 packets per write: µs per message", "down-burst", cpu, haproxy, 1, 2, false},
	{"QoS 1, window 10: µs per message", "qos1-10", cpu, nginx, 1, 1.25, false},
	{"QoS 1, window 1: µs per message", "qos1-1", cpu, nginx, 1, 1.25, false},
	{"round trip, 1 device: p50, µs", "rtt-1", p50, nginx, 1, 1.15, false},
	{"round trip, 1 device: p99, µs", "rtt-1", p99, nginx, 1, 1.15, false},
	{"round trip, 50 devices: p50, µs", "rtt-50", p50, nginx, 1, 1.15, false},
	{"round trip, 50 devices: p99, µs", "rtt-50", p99, nginx, 1, 1.15, false},
	{"memory per idle device, ws: KiB", "idle-ws", memory, nil, 5, 12, false},
	{"memory per idle device, wss: KiB", "idle-wss", memory, nil, 19, 30, false},
	{"connect, ws: µs each", "connect", cpu, haproxy, 1, 1.75, false},
	{"1 MiB payloads up: MB/s", "up-1MiB", throughput, haproxy, 1, 0.8, true},
	{"1 MiB payloads down: MB/s", "down-1MiB", throughput, haproxy, 1, 0.8, true},
}

// secureLines have no target of their own: what TLS costs is mostly not the bridge's.
var secureLines = []line{
	{"up, one frame per write: µs per message", "tls-up-single", cpu, passers, 0, 0, false},
	{"up, 64 frames per write: µs per message", "tls-up-burst", cpu, passers, 0, 0, false},
	{"down, one packet per write: µs per message", "tls-down-single", cpu, passers, 0, 0, false},
	{"down, 64 packets per write: µs per message", "tls-down-burst", cpu, passers, 0, 0, false},
	{"QoS 1, window 10: µs per message", "tls-qos1-10", cpu, passers, 0, 0, false},
	{"QoS 1, window 1: µs per message", "tls-qos1-1", cpu, passers, 0, 0, false},
	{"round trip, 1 device: p50, µs", "tls-rtt-1", p50, passers, 0, 0, false},
	{"round trip, 50 devices: p50, µs", "tls-rtt-50", p50, passers, 0, 0, false},
	{"connect: µs each", "tls-connect", cpu, passers, 0, 0, false},
}

// speeds are what the same loads reached when generator, peer and upstream shared the machine.
var speeds = []line{
	{"up, one frame per write: messages/s", "up-single", rate, passers, 0, 0, true},
	{"up, 64 frames per write: messages/s", "up-burst", rate, passers, 0, 0, true},
	{"down, one packet per write: messages/s", "down-single", rate, passers, 0, 0, true},
	{"down, 64 packets per write: messages/s", "down-burst", rate, passers, 0, 0, true},
	{"QoS 1, window 10: messages/s", "qos1-10", rate, passers, 0, 0, true},
	{"QoS 1, window 1: messages/s", "qos1-1", rate, passers, 0, 0, true},
	{"round trip, 1 device: µs of processor time", "rtt-1", cpu, passers, 0, 0, false},
	{"round trip, 50 devices: µs of processor time", "rtt-50", cpu, passers, 0, 0, false},
	{"connects/s, ws", "connect", rate, passers, 0, 0, true},
	{"connects/s, wss", "tls-connect", rate, passers, 0, 0, true},
	{"1 MiB payloads up: µs of processor time each", "up-1MiB", cpu, passers, 0, 0, false},
	{"1 MiB payloads down: µs of processor time each", "down-1MiB", cpu, passers, 0, 0, false},
	{"idle device, ws: µs of processor time per second", "idle-ws", idleCPU, nil, 0, 0, false},
	{"idle device, wss: µs of processor time per second", "idle-wss", idleCPU, nil, 0, 0, false},
}

// brokerLines compare two ways to the same real broker, all its processor time included.
var brokerLines = []line{
	{"up, one frame per write: µs per message", "broker-up", cpu, []string{alone}, 0, 0, false},
	{"… of these in Mosquitto", "broker-up", broker, nil, 0, 0, false},
	{"down, 10 devices, 2,000 messages/s each: µs per message", "broker-down", cpu, []string{alone}, 0, 0, false},
	{"… of these in Mosquitto", "broker-down", broker, nil, 0, 0, false},
	{"QoS 1, window 10: µs per message", "broker-qos1-10", cpu, []string{alone}, 0, 0, false},
	{"… of these in Mosquitto", "broker-qos1-10", broker, nil, 0, 0, false},
	{"round trip, 1 device: µs of processor time", "broker-rtt-1", cpu, []string{alone}, 0, 0, false},
	{"… of these in Mosquitto", "broker-rtt-1", broker, nil, 0, 0, false},
	{"round trip, 1 device: p50, µs", "broker-rtt-1", p50, []string{alone}, 0, 0, false},
	{"round trip, 1 device: p99, µs", "broker-rtt-1", p99, []string{alone}, 0, 0, false},
	{"connect: µs each", "broker-connect", cpu, []string{alone}, 0, 0, false},
	{"… of these in Mosquitto", "broker-connect", broker, nil, 0, 0, false},
	{"connects/s, 20 at a time", "broker-connect", rate, []string{alone}, 0, 0, true},
}

// of sums up what a line shows of a subject.
func (r results) of(l line, subject string) report.Spread {
	var values []float64
	for _, s := range r[l.load][subject] {
		values = append(values, l.pick(s))
	}
	return report.Of(values)
}

// ratio holds the subject's median against the best of those it is compared with; 0 where there is nothing to compare with.
func (r results) ratio(l line, subject string) float64 {
	best := 0.0
	for _, name := range l.against {
		other := r.of(l, name).Median
		if best == 0 || (other > best) == l.more {
			best = other
		}
	}
	if best == 0 {
		return 0
	}
	return r.of(l, subject).Median / best
}

// verdict says how a figure stands to target and limit.
func (l line) verdict(figure float64) string {
	good := func(than float64) bool { return figure <= than }
	if l.more {
		good = func(than float64) bool { return figure >= than }
	}
	switch {
	case good(l.target):
		return "target met"
	case good(l.limit):
		return "within limit"
	}
	return fmt.Sprintf("**MISS** by %.0f %%", 100*max(figure/l.limit-1, 1-figure/l.limit))
}

package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/benchpeers/null"
	"mqtt-ws-bridge/internal/benchpeers/peer"
	"mqtt-ws-bridge/internal/benchpeers/proc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
)

// serverName is the name in the certificate of all peers.
const serverName = "peer.test"

// sample is what one load or fleet cost one subject. What does not apply is 0.
type sample struct {
	CPU        float64 // microseconds of processor time per operation
	Broker     float64 // of these, the real broker's
	Rate       float64 // operations per second
	Throughput float64 // MB of payload per second
	P50, P99   float64 // microseconds
	Allocs     float64 // heap objects per operation; of the bridge only
	Memory     float64 // KiB per idle device
	IdleCPU    float64 // microseconds of processor time per second and device
}

// results are samples by load and subject, one for each round.
type results map[string]map[string][]sample

func (r results) add(load, subject string, s sample) {
	if r[load] == nil {
		r[load] = map[string][]sample{}
	}
	r[load][subject] = append(r[load][subject], s)
}

// The subjects of loads with the real broker.
const (
	withBridge = "bridge + Mosquitto"
	alone      = "Mosquitto alone"
)

// subject is what a load is given to.
type subject struct {
	name     string
	ws, wss  string
	pids     []int         // the real broker's last
	upstream *null.Server  // nil with the real broker
	broker   string        // plain address of the real one
	bridge   *peer.Process // the bridge, if the subject is it, before the null upstream
}

// bench is a run of the program.
type bench struct {
	t     testing.TB
	o     options
	sim   string // binary of firmware-sim
	peers []peer.Peer
	ca    *certs.Authority
	pair  certs.Pair
	record
}

// record is all that a page is made of.
type record struct {
	Command, Date, Machine, Took string
	Load                         string // of the machine before the run
	Rounds                       int
	Quick                        bool
	Peers                        []named // the bridge first, the real broker last
	Results                      results
	AtRest                       []sample // memory of fresh bridges
	ArmSize                      int64    // bytes
}

// named is a peer, for the page.
type named struct{ Name, Version string }

// benchmark measures everything asked for and writes the page, on paper or to stdout.
func benchmark(t testing.TB, o options, stdout io.Writer) {
	begin := time.Now()
	if o.quick || o.profile != "" {
		o.rounds = 1
	}
	b := prepare(t, o)
	if o.profile != "" {
		b.round(0)
		return
	}
	for round := range o.rounds {
		b.round(round)
		for _, i := range idles(o.quick, false) {
			b.idleRound(i)
		}
	}
	if !o.quick {
		b.growth()
	}
	b.Date, b.Took = begin.UTC().Format("2006-01-02 15:04 UTC"), time.Since(begin).Round(time.Second).String()
	if err := o.save(&b.record, stdout); err != nil {
		t.Fatalf("write the page: %v", err)
	}
}

func prepare(t testing.TB, o options) *bench {
	t.Helper()
	peer.Install(t)
	b := &bench{t: t, o: o, ca: certs.New(t)}
	b.pair = b.ca.Server(t, serverName)
	b.peers = peer.All(t, o.with)
	b.record = record{Command: o.command, Machine: proc.Machine(), Load: proc.Load(), Rounds: o.rounds, Quick: o.quick, Results: results{}}
	for _, p := range append(slices.Clone(b.peers), peer.Mosquitto()) {
		b.Peers = append(b.Peers, named{p.Name, p.Version})
	}
	b.sim = peer.Build(t, "mqtt-ws-bridge/firmware-sim")
	if b.wanted("arm-size") {
		info, err := os.Stat(peer.Build(t, "mqtt-ws-bridge/cmd/mqtt-ws-bridge", "GOOS=linux", "GOARCH=arm", "GOARM=7"))
		if err != nil {
			t.Fatalf("size of the binary for arm: %v", err)
		}
		b.ArmSize = info.Size()
	}
	return b
}

// wanted says whether -only selects a load.
func (b *bench) wanted(name string) bool {
	if b.o.only == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(b.o.only, ","), func(p string) bool { return strings.HasPrefix(name, p) })
}

// round gives each load to each subject once, all of them fresh processes.
func (b *bench) round(round int) {
	b.t.Logf("round %d of %d", round+1, b.o.rounds)
	subjects, stop := b.start()
	defer stop()
	for _, l := range loads(b.o.quick) {
		if b.o.profile != "" {
			b.profile(l, subjects[0])
			continue
		}
		b.turn(l, subjects, round)
	}
}

// growth takes the figures on growth, in half as many rounds.
func (b *bench) growth() {
	for round := range max(1, b.o.rounds/2) {
		b.t.Logf("growth, round %d", round+1)
		subjects, stop := b.start()
		for _, l := range growing() {
			b.turn(l, subjects, round)
		}
		stop()
	}
	for _, i := range idles(false, true) {
		b.idleRound(i)
	}
}

// turn gives a load to the subjects it is meant for, in an order that turns with the rounds.
func (b *bench) turn(l load, subjects []*subject, round int) {
	if !b.wanted(l.name) {
		return
	}
	var meant []*subject
	for _, s := range subjects {
		if (s.upstream == nil) == l.broker {
			meant = append(meant, s)
		}
	}
	for i := range meant {
		s := meant[(i+round)%len(meant)]
		got, err := b.measure(l, s)
		if err != nil {
			b.t.Fatalf("%s before %s: %v", l.name, s.name, err)
		}
		if b.o.verbose {
			b.t.Logf("%-20s %-20s %+v", l.name, s.name, got)
		}
		b.Results.add(l.name, s.name, got)
	}
}

// start runs all subjects; stop ends them.
func (b *bench) start() (subjects []*subject, stop func()) {
	b.t.Helper()
	var stops []func()
	for _, p := range b.peers {
		s, end := b.startPeer(p)
		if s.bridge != nil && b.wanted("at-rest") {
			b.rest(s.bridge.PID)
		}
		subjects, stops = append(subjects, s), append(stops, end)
	}
	broker := peer.Mosquitto().Start(b.t, "", b.pair)
	bridge := b.peers[0].Start(b.t, broker.TCP, b.pair)
	subjects = append(subjects,
		&subject{name: withBridge, ws: bridge.WS, wss: bridge.WSS, pids: []int{bridge.PID, broker.PID}, broker: broker.TCP},
		&subject{name: alone, ws: broker.WS, wss: broker.WSS, pids: []int{broker.PID}, broker: broker.TCP})
	stops = append(stops, bridge.Stop, broker.Stop)
	return subjects, func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// startPeer runs a fresh process of the peer before a null upstream of its own.
func (b *bench) startPeer(p peer.Peer) (*subject, func()) {
	b.t.Helper()
	upstream, err := null.Listen(loopback.Host()+":0", p.Framed)
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	process := p.Start(b.t, upstream.Address, b.pair)
	s := &subject{name: p.Name, ws: process.WS, wss: process.WSS, pids: []int{process.PID}, upstream: upstream}
	if p.Name == peer.Bridge {
		s.bridge = process
	}
	return s, func() {
		process.Stop()
		upstream.Close()
	}
}

// rest notes what a fresh bridge without devices has resident.
func (b *bench) rest(pid int) {
	rss, err := proc.RSS(pid)
	if err != nil {
		b.t.Fatalf("memory at rest: %v", err)
	}
	b.AtRest = append(b.AtRest, sample{Memory: float64(rss) / 1024})
}

// cpu is the processor time of all the subject's processes, and of the last of them.
func (s *subject) cpu() (sum, last time.Duration, err error) {
	for _, pid := range s.pids {
		if last, err = proc.CPU(pid); err != nil {
			return 0, 0, err
		}
		sum += last
	}
	return sum, last, nil
}

func (s *subject) url(secure bool) string {
	if secure {
		return s.wss
	}
	return s.ws
}

// lossError says that a subject did not deliver.
type lossError struct{ what string }

func (e lossError) Error() string { return fmt.Sprintf("lost: %s", e.what) }

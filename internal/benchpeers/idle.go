package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"mqtt-ws-bridge/internal/benchpeers/null"
	"mqtt-ws-bridge/internal/benchpeers/proc"
)

// together is how many connections the null upstreams, which share this process, may hold: below the usual limit of 20,000 files.
const together = 17_000

// idleRound measures a fleet that does nothing, on a fresh process of each peer. Memory does not mind what else runs, so as
// many peers as fit wait at the same time.
func (b *bench) idleRound(i idle) {
	if !b.wanted(i.name) {
		return
	}
	most := min(len(b.peers), max(1, together/i.devices))
	for first := 0; first < len(b.peers); first += most {
		b.idleGroup(i, first, min(first+most, len(b.peers)))
	}
}

func (b *bench) idleGroup(i idle, first, end int) {
	group := b.peers[first:end]
	samples, errs := make([]sample, len(group)), make([]error, len(group))
	var waiting sync.WaitGroup
	for n, p := range group {
		s, stop := b.startPeer(p)
		defer stop()
		waiting.Go(func() { samples[n], errs[n] = b.idle(i, s) })
	}
	waiting.Wait()
	for n, p := range group {
		if errs[n] != nil {
			b.t.Fatalf("%s before %s: %v", i.name, p.Name, errs[n])
		}
		if b.o.verbose {
			b.t.Logf("%-20s %-20s %+v", i.name, p.Name, samples[n])
		}
		b.Results.add(i.name, p.Name, samples[n])
	}
}

// idle connects the fleet, lets it be and reads what it costs. In the end every device has to be there still.
func (b *bench) idle(i idle, s *subject) (sample, error) {
	ready := make(chan struct{})
	s.upstream.Begin(null.Job{Devices: i.devices, Ready: func() { close(ready) }})
	before, err := proc.PSS(s.pids[0])
	if err != nil {
		return sample{}, err
	}
	l := load{mode: "idle", devices: i.devices, secure: i.secure, duration: i.settle + 2*time.Second}
	ended := make(chan error, 1)
	go simulateIdle(ended, b.sim, l.arguments(s.url(i.secure), "", b.ca.File))
	select {
	case <-ready:
	case err := <-ended:
		return sample{}, fmt.Errorf("not all devices came online: %w", err)
	}
	// The last part of the time shows what an idle fleet costs the processor.
	quiet := i.settle / 3
	time.Sleep(i.settle - quiet)
	from, _, errFrom := s.cpu()
	time.Sleep(quiet)
	to, _, errTo := s.cpu()
	after, errAfter := proc.PSS(s.pids[0])
	if err := errors.Join(errFrom, errTo, errAfter, <-ended); err != nil {
		return sample{}, err
	}
	n := float64(i.devices)
	return sample{Memory: float64(after-before) / 1024 / n, IdleCPU: micro(to-from) / quiet.Seconds() / n}, nil
}

// simulateIdle ends with firmware-sim; the result says whether every device was online to the end.
func simulateIdle(ended chan<- error, binary string, args []string) {
	r, err := simulate(binary, args)
	if err == nil && (r.Connected != r.Devices || r.Flushed != r.Devices || len(r.Errors) > 0) {
		err = fmt.Errorf("%d of %d devices were online to the end: %v", r.Flushed, r.Devices, r.Errors)
	}
	ended <- err
}

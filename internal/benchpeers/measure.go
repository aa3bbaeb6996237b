package main

import (
	"errors"
	"time"

	"mqtt-ws-bridge/internal/benchpeers/null"
)

// mark is a moment of a load: when it was and what the subject had cost until then.
type mark struct {
	at     time.Time
	cpu    time.Duration // of all processes
	broker time.Duration // of the last of them
	allocs float64
	err    error
}

// begin marks the moment from which costs count: its own are not among them.
func (s *subject) begin() (m mark) {
	if s.bridge != nil {
		// Asking allocates too. It is asked once in the end, so what one question costs is set off here.
		before, err := s.bridge.Allocations()
		after, errAfter := s.bridge.Allocations()
		m.allocs, m.err = after+(after-before), errors.Join(err, errAfter)
	}
	var err error
	m.cpu, m.broker, err = s.cpu()
	m.at, m.err = time.Now(), errors.Join(m.err, err)
	return m
}

// end marks the moment up to which costs count.
func (s *subject) end() (m mark) {
	m.at = time.Now()
	m.cpu, m.broker, m.err = s.cpu()
	if s.bridge != nil {
		var err error
		m.allocs, err = s.bridge.Allocations()
		m.err = errors.Join(m.err, err)
	}
	return m
}

// measure runs a load on a subject. Before the null upstream costs count from the moment all devices are online, and have
// subscribed if they will, to the moment all is delivered; connecting is not among them. With the real broker, and where
// connecting is the load, they count from before the first connect to after the last goodbye.
func (b *bench) measure(l load, s *subject) (sample, error) {
	whole := l.broker || l.mode == "connect"
	first, last := make(chan mark, 1), make(chan mark, 1) // each has one mark
	if s.upstream != nil {
		job := null.Job{Devices: l.devices, Subscribe: l.mode == "down" || l.mode == "rtt", Flood: l.messages, Size: l.size, Batch: l.batch}
		if l.mode != "down" {
			job.Flood = 0
		}
		if !whole {
			job.Ready = func() { first <- s.begin() }
			job.End = func() { last <- s.end() }
		}
		s.upstream.Begin(job)
	}
	if whole {
		first <- s.begin()
	}
	result, err := simulate(b.sim, l.arguments(s.url(l.secure), s.broker, b.ca.File))
	if err != nil {
		return sample{}, err
	}
	if whole {
		last <- s.end()
	}
	var counts null.Counts
	if s.upstream != nil {
		counts = s.upstream.Counts()
	}
	if what := l.lost(result, counts.Published, counts.Flooded); what != "" {
		return sample{}, lossError{what}
	}
	from, to, err := both(first, last)
	if err != nil {
		return sample{}, err
	}
	return l.sample(result, from, to), nil
}

// both returns the marks, which are there or will be in a moment.
func both(first, last <-chan mark) (from, to mark, err error) {
	late := time.After(10 * time.Second)
	for _, m := range []struct {
		from <-chan mark
		into *mark
	}{{first, &from}, {last, &to}} {
		select {
		case *m.into = <-m.from:
		case <-late:
			return from, to, errors.New("the null upstream saw no beginning or no end of the load")
		}
	}
	return from, to, errors.Join(from.err, to.err)
}

func (l load) sample(r *simResult, from, to mark) sample {
	n := float64(max(1, l.operations(r)))
	elapsed := to.at.Sub(from.at).Seconds()
	if l.broker || l.mode == "connect" {
		elapsed = r.Measured.Seconds()
	}
	return sample{
		CPU:        micro(to.cpu-from.cpu) / n,
		Broker:     micro(to.broker-from.broker) / n,
		Rate:       n / elapsed,
		Throughput: n * float64(l.size) / elapsed / 1e6,
		P50:        micro(r.Latency.P50),
		P99:        micro(r.Latency.P99),
		Allocs:     max(0, to.allocs-from.allocs) / n,
	}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

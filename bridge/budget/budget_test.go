package budget

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
)

// machine is what a budget looks at, and what it says. A test changes it only while the budget sleeps.
type machine struct {
	mu       sync.Mutex
	out      bytes.Buffer
	used     int64
	cycles   uint64
	frees    int64 // bytes that the next collection finds to be garbage
	collects int
	open     int // descriptors; below zero: not known
}

type rig struct {
	*Budget
	m   *machine
	reg *prometheus.Registry
	t   *testing.T
}

// Write takes log lines.
func (m *machine) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out.Write(p)
}

// set changes the machine, and lets the budget look at it.
func (r rig) set(change func(m *machine)) {
	r.m.mu.Lock()
	change(r.m)
	r.m.mu.Unlock()
	r.look()
}

func (r rig) use(bytes int64) { r.set(func(m *machine) { m.used = bytes }) }

func (r rig) open(descriptors int) { r.set(func(m *machine) { m.open = descriptors }) }

// in runs f in a bubble with a budget that looks at a machine, with these limits.
func in(t *testing.T, memory int64, plan Plan, f func(r rig)) {
	synctest.Test(t, func(t *testing.T) {
		m := new(machine)
		r := rig{m: m, reg: prometheus.NewPedanticRegistry(), t: t}
		r.Budget = newBudget(Options{
			Descriptors: plan, Memory: MemoryPlan{MemoryLimit: MemoryLimit{Bytes: memory}, Sessions: 1 << 30}, Sessions: func() int { return 7 },
			Registerer: r.reg, Log: slog.New(slog.NewJSONHandler(m, nil)),
		}, system{memory: m.memory, open: m.descriptors, collect: m.collect})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.Run(ctx) })
		synctest.Wait()
		f(r)
		cancel()
		wg.Wait()
	})
}

func (m *machine) memory() usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return usage{m.used, m.cycles}
}

func (m *machine) descriptors() (int, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open, m.open >= 0
}

func (m *machine) collect() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.collects++
	m.cycles++
	m.used, m.frees = m.used-m.frees, 0
}

// look lets the budget look once more.
func (r rig) look() {
	time.Sleep(lookEach)
	synctest.Wait()
}

func (r rig) room(n int, want *reason.Reason) {
	r.t.Helper()
	if got := r.Room(n, 0); got != want {
		r.t.Errorf("with %d sessions: %v, want %v", n, got, want)
	}
}

// lines returns what was logged since it was asked last.
func (r rig) lines() (lines []map[string]any) {
	r.t.Helper()
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	for line := range strings.Lines(r.m.out.String()) {
		m := make(map[string]any)
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			r.t.Fatal(err)
		}
		lines = append(lines, m)
	}
	r.m.out.Reset()
	return lines
}

func (r rig) said(message string, attrs ...any) {
	r.t.Helper()
	lines := r.lines()
	if len(lines) != 1 || lines[0]["msg"] != message {
		r.t.Errorf("log has %v, want one %q", lines, message)
		return
	}
	for i := 0; i < len(attrs); i += 2 {
		if got := lines[0][attrs[i].(string)]; got != attrs[i+1] {
			r.t.Errorf("%s is %v, want %v", attrs[i], got, attrs[i+1])
		}
	}
}

const (
	begins = "running short; new devices get 503"
	ends   = "no longer short; new devices are taken"
)

var plenty = PlanDescriptors(20000, 8000, 1024, 2)

// TestMemoryFull: at nine tenths nobody more is let in, below it everybody is at once; one line at each end of the pressure, whoever
// comes meanwhile.
func TestMemoryFull(t *testing.T) {
	in(t, 1000, plenty, func(r rig) {
		r.use(899)
		r.room(0, nil)
		r.use(900)
		for range 1000 {
			r.room(0, reason.MemoryFull)
		}
		r.look()
		r.said(begins, "resource", "memory", "reason", "memory-full", "used", 900.0, "limit", 1000.0, "level", "WARN")
		r.use(899)
		r.room(0, nil)
		for i := range int64(10) { // to and fro is one pressure
			r.use(895 + i%2*10)
		}
		r.use(500)
		time.Sleep(calm)
		r.look()
		r.said(ends, "resource", "memory", "refused", 1000.0, "level", "INFO")
		time.Sleep(10 * calm)
		r.look()
		if l := r.lines(); l != nil {
			r.t.Errorf("log has %v", l)
		}
	})
}

// TestNoMemoryLimit: without a limit nothing is too much.
func TestNoMemoryLimit(t *testing.T) {
	in(t, 0, plenty, func(r rig) {
		r.use(1 << 60)
		r.room(0, nil)
		r.Apply() // and nothing is said to the runtime
	})
}

// TestFreedMemoryIsNoticed: when nothing is allocated any more the collector is asked whether memory has come free, and seldom.
func TestFreedMemoryIsNoticed(t *testing.T) {
	in(t, 1000, plenty, func(r rig) {
		time.Sleep(time.Minute)
		r.set(func(m *machine) { m.used, m.frees, m.cycles = 950, 600, m.cycles+1 }) // it has just run
		r.room(0, reason.MemoryFull)
		time.Sleep(collectPause)
		r.look()
		r.room(0, nil)
		r.use(950) // all of it alive
		time.Sleep(10 * collectPause)
		r.set(func(m *machine) {
			if m.collects > 12 {
				t.Errorf("collected %d times", m.collects)
			}
		})
		r.room(0, reason.MemoryFull)
	})
}

// TestDescriptorsFull: exactly the sessions that were planned are let in, and none while the descriptors themselves get few.
func TestDescriptorsFull(t *testing.T) {
	plan := PlanDescriptors(1000, 8000, 1024, 2)
	in(t, 1000, plan, func(r rig) {
		r.room(plan.Sessions-1, nil)
		r.room(plan.Sessions, reason.DescriptorsFull)
		r.room(plan.Sessions-1, nil) // one has left
		r.look()
		r.said(begins, "resource", "descriptors", "limit", 1000.0)
		r.open(1000 - ownDescriptors/2)
		r.room(0, nil)
		r.open(1000 - ownDescriptors/2 + 1)
		r.room(0, reason.DescriptorsFull)
		r.open(-1)
		r.room(0, nil)
		if got := r.descriptors.used.Load(); got != ownDescriptors/2+2*7 {
			t.Errorf("without a count %d descriptors are taken as open", got)
		}
		time.Sleep(2 * calm)
		r.look()
		r.said(ends, "resource", "descriptors", "refused", 2.0)
	})
}

// TestShort: after a failure for want of something nobody is let in for a moment, and the log says what failed, once.
func TestShort(t *testing.T) {
	for _, why := range []*reason.Reason{reason.MemoryFull, reason.DescriptorsFull, reason.PortsFull} {
		in(t, 1000, plenty, func(r rig) {
			for range 100 {
				r.Short(why, errors.New("no more"))
			}
			r.room(0, why)
			r.look()
			r.room(0, why)
			r.said(begins, "reason", why.Label, "error", "no more")
			time.Sleep(shortFor)
			r.look()
			r.room(0, nil)
			r.Short(why, errors.New("again"))
			r.look()
			if l := r.lines(); l != nil {
				t.Errorf("log has %v", l)
			}
		})
	}
}

// TestMetrics names the gauges.
func TestMetrics(t *testing.T) {
	in(t, 1000, plenty, func(r rig) {
		r.set(func(m *machine) { m.used, m.open = 12, 34 })
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]float64)
		for _, f := range families {
			got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue()
		}
		for name, want := range map[string]float64{"memory_used_bytes": 12, "memory_limit_bytes": 1000,
			"descriptors_used": 34, "descriptors_limit": 20000} {
			if got["mqtt_ws_bridge_"+name] != want {
				t.Errorf("%s is %v, want %v", name, got["mqtt_ws_bridge_"+name], want)
			}
		}
	})
}

package budget

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
)

// Options make a [Budget].
type Options struct {
	Descriptors Plan
	Memory      MemoryPlan
	// Sessions says how many there are, for systems that do not count descriptors.
	Sessions   func() int
	Registerer prometheus.Registerer
	Log        *slog.Logger
}

// system is what a budget asks of the system.
type system struct {
	memory  func() usage
	open    func() (descriptors int, known bool)
	collect func() // garbage
}

// Budget implements [bridge.Budget]. Safe for concurrent use.
type Budget struct {
	// Set once.
	opts   Options
	system system

	memory, descriptors, ports resource

	over atomic.Int64 // bytes of memory above the limit

	// Owned by Run.
	cycles    uint64        // of the collector, when it was looked at last
	collected time.Duration // when it had run last
	pause     time.Duration // until it may be asked to
}

// New returns a budget, and registers its metrics. [Budget.Run] has it look at the process.
func New(opts Options) *Budget {
	return newBudget(opts, system{memory: newMemoryReader().read, open: openDescriptors, collect: runtime.GC})
}

func newBudget(opts Options, system system) *Budget {
	b := &Budget{
		opts: opts, system: system, pause: collectPause,
		memory:      resource{name: "memory", reason: reason.MemoryFull, limit: opts.Memory.Bytes},
		descriptors: resource{name: "descriptors", reason: reason.DescriptorsFull, limit: int64(opts.Descriptors.Most)},
		ports:       resource{name: "ports", reason: reason.PortsFull},
	}
	gauge := func(name, help string, value func() int64) {
		opts.Registerer.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "mqtt_ws_bridge", Name: name, Help: help},
			func() float64 { return float64(value()) }))
	}
	gauge("memory_used_bytes", "Live memory: heap without garbage, plus stacks; without the kernel's socket buffers.", b.memory.used.Load)
	gauge("memory_limit_bytes", "Memory that may be used; above nine tenths of it new devices get 503. 0: no limit.",
		func() int64 { return b.memory.limit })
	gauge("descriptors_used", "File descriptors that are open.", b.descriptors.used.Load)
	gauge("descriptors_limit", "File descriptors that may be open. 0: not known.", func() int64 { return b.descriptors.limit })
	return b
}

// Apply has the Go runtime collect garbage more often rather than use more than the limit. It concerns the whole process.
func (b *Budget) Apply() {
	if b.opts.Memory.Runtime > 0 {
		debug.SetMemoryLimit(b.opts.Memory.Runtime)
	}
}

// Room says whether a session can be afforded beside the n that there are, which have so many bytes in any case: nil, or why not.
func (b *Budget) Room(n int, bytes int64) *reason.Reason {
	for _, r := range b.resources() {
		if r.full.Load() || r == &b.descriptors && n >= b.opts.Descriptors.Sessions || r == &b.memory && !b.opts.Memory.affords(bytes) {
			r.refused.Add(1)
			return r.reason
		}
	}
	return nil
}

// Short hears that a connection could not be made or taken for want of what why names. For a moment nobody else is let in.
func (b *Budget) Short(why *reason.Reason, err error) {
	for _, r := range b.resources() {
		if r.reason == why {
			r.short(err)
		}
	}
}

// Over is by how many bytes the process was above its limit of memory when it was looked at last.
func (b *Budget) Over() int64 { return b.over.Load() }

func (b *Budget) resources() [3]*resource {
	return [3]*resource{&b.memory, &b.descriptors, &b.ports}
}

const (
	lookEach     = 250 * time.Millisecond
	collectPause = 10 * time.Second
)

// Run looks at the process until ctx ends.
func (b *Budget) Run(ctx context.Context) {
	began := time.Now()
	ticker := time.NewTicker(lookEach)
	defer ticker.Stop()
	for {
		now := time.Since(began)
		b.lookAtMemory(now)
		b.lookAtDescriptors()
		for _, r := range b.resources() {
			r.tell(b.opts.Log, now)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lookAtMemory also sees to it that memory which has come free is noticed: nothing is allocated while nobody is let in, and the
// collector would not run for minutes.
func (b *Budget) lookAtMemory(now time.Duration) {
	u := b.usage()
	if u.cycles != b.cycles {
		b.cycles, b.collected = u.cycles, now
	}
	full := b.memory.limit > 0 && u.used >= b.memory.limit/10*9
	if full && now-b.collected >= b.pause {
		began := time.Now()
		b.system.collect()
		b.pause = max(collectPause, 10*time.Since(began)) // at most a tenth of the time
		u = b.usage()
		b.cycles, b.collected = u.cycles, now
		full = u.used >= b.memory.limit/10*9
	}
	b.over.Store(0)
	if b.memory.limit > 0 {
		b.over.Store(max(0, u.used-b.memory.limit))
	}
	b.memory.see(u.used, full)
}

// usage is the runtime's, and the program itself.
func (b *Budget) usage() usage {
	u := b.system.memory()
	u.used += b.opts.Memory.Program
	return u
}

func (b *Budget) lookAtDescriptors() {
	plan := &b.opts.Descriptors
	used, known := b.system.open()
	if !known {
		used = plan.Own/2 + plan.Each*b.opts.Sessions()
	}
	b.descriptors.see(int64(used), plan.Most > 0 && used > plan.Most-plan.Own/2)
	b.ports.see(0, false)
}

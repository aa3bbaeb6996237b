package budget

import (
	"math"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// MemoryLimit is how many bytes the process may use, and who said so.
type MemoryLimit struct {
	Bytes int64  // 0: as many as there are
	From  string // "limits.memory", "GOMEMLIMIT", "control group" or "machine"
}

// FindMemoryLimit returns configured if it is not 0, or else what GOMEMLIMIT says, or else three quarters of what the control
// group may have, or else of what the machine has. The fourth quarter is for the kernel's part of sockets and for other programs.
func FindMemoryLimit(configured int64) MemoryLimit {
	if configured > 0 {
		return MemoryLimit{configured, "limits.memory"}
	}
	if set := debug.SetMemoryLimit(-1); set != math.MaxInt64 {
		return MemoryLimit{set, "GOMEMLIMIT"}
	}
	all, _ := memlimit.FromSystem() // 0 where it is not known
	from := "machine"
	if group, err := memlimit.FromCgroup(); err == nil && group > 0 && (all == 0 || group < all) {
		all, from = group, "control group"
	}
	if all == 0 {
		return MemoryLimit{}
	}
	return MemoryLimit{int64(min(all, math.MaxInt64) / 4 * 3), from}
}

// usage is what the runtime says of its memory.
type usage struct {
	used   int64  // bytes that the system gave and that are not garbage, as far as the last collection knows
	cycles uint64 // collections so far
}

// Indices of the samples below.
const (
	classTotal = iota
	classReleased
	classFree
	classObjects
	heapLive
	gcCycles
)

// memoryReader reads the runtime's memory. Not for concurrent use.
type memoryReader struct{ samples []metrics.Sample }

func newMemoryReader() *memoryReader {
	return &memoryReader{[]metrics.Sample{
		classTotal:    {Name: "/memory/classes/total:bytes"},
		classReleased: {Name: "/memory/classes/heap/released:bytes"},
		classFree:     {Name: "/memory/classes/heap/free:bytes"},
		classObjects:  {Name: "/memory/classes/heap/objects:bytes"},
		heapLive:      {Name: "/gc/heap/live:bytes"},
		gcCycles:      {Name: "/gc/cycles/total:gc-cycles"},
	}}
}

func (r *memoryReader) read() usage {
	metrics.Read(r.samples)
	v := func(i int) uint64 { return r.samples[i].Value.Uint64() }
	held := v(classTotal) - v(classReleased) - v(classFree)
	// Garbage is no use: the runtime lets it grow to the size of what lives, and collects it in time if memory gets short.
	garbage := v(classObjects) - min(v(classObjects), v(heapLive))
	return usage{used: int64(held - min(held, garbage)), cycles: v(gcCycles)}
}

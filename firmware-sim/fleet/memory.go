package fleet

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// Memory is what a fleet costs, the simulator's own fixed part taken off.
type Memory struct {
	// Resident is the growth of the process's resident set; 0 where the system does not tell.
	Resident int64 `json:"resident_bytes"`
	// Heap and Stacks are the Go runtime's own view of it.
	Heap      int64 `json:"heap_bytes"`
	Stacks    int64 `json:"stack_bytes"`
	PerDevice int64 `json:"per_device_bytes"`
	Devices   int64 `json:"devices"` // online when it was measured
}

func measure() Memory {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Memory{Resident: resident(), Heap: int64(m.HeapInuse), Stacks: int64(m.StackInuse)}
}

// since returns the growth from an earlier measurement, divided among n devices.
func (m Memory) since(before Memory, n int64) Memory {
	d := Memory{Resident: max(0, m.Resident-before.Resident), Heap: max(0, m.Heap-before.Heap),
		Stacks: max(0, m.Stacks-before.Stacks), Devices: n}
	if n > 0 {
		// The resident set counts pages once touched and not yet given back, too: it is the honest, larger number.
		d.PerDevice = max(d.Resident, d.Heap+d.Stacks) / n
	}
	return d
}

// resident reads the resident set size where /proc has it.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

// EnoughFiles tells whether the process may open the sockets that n devices need.
func EnoughFiles(n int) error {
	limit, known := fileLimit()
	const spare = 64
	if known && uint64(n)+spare > limit {
		return fmt.Errorf("%d devices need about %d open files, the limit is %d: raise it with 'ulimit -n %d' or run fewer devices",
			n, n+spare, limit, n+spare)
	}
	return nil
}

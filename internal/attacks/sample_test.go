//go:build linux

package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
)

// Margins within which the bridge has to come back to what it was before an attack. Memory is what is reachable after a garbage
// collection; the innocent device moves it by some KiB, and tables keep the size that many sessions gave them. Stacks are not in it: the
// runtime keeps those of goroutines that have ended for the next ones, and goroutines are counted.
const (
	marginMemory      = 512 << 10
	marginDescriptors = 2
	marginGoroutines  = 3
	// marginPeak is how much the resident memory may grow while an attack goes on: garbage, buffers, and with the race detector its
	// own bookkeeping.
	marginPeak = 96 << 20
)

// sample is what the process holds.
type sample struct {
	memory      int64 // reachable, in bytes
	resident    int64 // in bytes
	descriptors int
	goroutines  int
}

func (s sample) String() string {
	return fmt.Sprintf("%d KiB reachable, %d KiB resident, %d descriptors, %d goroutines",
		s.memory>>10, s.resident>>10, s.descriptors, s.goroutines)
}

// within reports whether the process holds no more than it did before.
func (s sample) within(before sample) bool {
	return s.memory <= before.memory+marginMemory &&
		s.descriptors <= before.descriptors+marginDescriptors &&
		s.goroutines <= before.goroutines+marginGoroutines
}

// operator asks the bridge's admin listener.
var operator = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func ask(t testing.TB, b *bridgeproc.Bridge, path string) string {
	t.Helper()
	answer, err := operator.Get("http://" + b.Admin + path)
	if err != nil {
		t.Fatalf("ask the operator's listener: %v", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", path, answer.Status, err)
	}
	return string(body)
}

// metrics reads all series of the bridge, by name with labels.
func metrics(t testing.TB, b *bridgeproc.Bridge) map[string]float64 {
	t.Helper()
	series := make(map[string]float64)
	for line := range strings.Lines(ask(t, b, "/metrics")) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if ok {
			name += "}"
		} else {
			name, value, ok = strings.Cut(strings.TrimSpace(line), " ")
		}
		if number, err := strconv.ParseFloat(value, 64); ok && err == nil {
			series[name] = number
		}
	}
	return series
}

// collections is the series that counts garbage collections.
const collections = "go_gc_duration_seconds_count"

// collected asks for a garbage collection, and for the figures of that moment.
const collected = "/debug/pprof/heap?gc=1&debug=1"

// take samples the process, after a garbage collection.
func take(t testing.TB, b *bridgeproc.Bridge) sample {
	t.Helper()
	ask(t, b, collected) // which leaves what was in pools
	_, allocated, _ := strings.Cut(ask(t, b, collected), "\n# HeapAlloc = ")
	var memory int64
	if _, err := fmt.Sscan(allocated, &memory); err != nil {
		t.Fatalf("read the memory: %v", err)
	}
	return sample{
		memory:   memory,
		resident: memoryOf(t, b, "VmRSS"), descriptors: descriptors(t, b), goroutines: int(metrics(t, b)["go_goroutines"]),
	}
}

// descriptors counts those that the process has open.
func descriptors(t testing.TB, b *bridgeproc.Bridge) int {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.PID()))
	if err != nil {
		t.Fatalf("count descriptors: %v", err)
	}
	return len(open)
}

// closedAll waits until no more descriptors are open than before, and asks for no collection: that would close sockets which the bridge
// has forgotten to close, and hide it.
func closedAll(t testing.TB, b *bridgeproc.Bridge, before sample) {
	t.Helper()
	var now int
	if !eventually(func() bool { now = descriptors(t, b); return now <= before.descriptors+marginDescriptors }) {
		t.Errorf("the bridge leaves descriptors to the garbage collector: %d, before %d", now, before.descriptors)
	}
}

// memoryOf reads one of the sizes in the status of the process: VmRSS now, VmHWM at its highest.
func memoryOf(t testing.TB, b *bridgeproc.Bridge, name string) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", b.PID()))
	if err != nil {
		t.Fatalf("read the status of the bridge: %v", err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kib int64
		if _, err := fmt.Sscanf(s.Text(), name+": %d kB", &kib); err == nil {
			return kib << 10
		}
	}
	t.Fatalf("the status of the bridge has no %s", name)
	return 0
}

// forgetPeak makes the highest resident memory the one of now.
func forgetPeak(t testing.TB, b *bridgeproc.Bridge) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", b.PID()), []byte("5"), 0); err != nil {
		t.Logf("the highest memory is that since the start: %v", err)
	}
}

// settled samples the process until it is back to what it was.
func settled(t testing.TB, b *bridgeproc.Bridge, before sample) (s sample, ok bool) {
	t.Helper()
	ok = eventually(func() bool {
		s = take(t, b)
		return s.within(before)
	})
	return s, ok
}

// patience is how long anything may take that has to happen: long, because the machine may be busy with other things.
const patience = 30 * time.Second

// eventually asks until it is so, or patience has run out.
func eventually(so func() bool) bool {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if so() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

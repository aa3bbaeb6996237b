package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is the processor time of a process and its living children, user and system, in the kernel's own resolution.
func CPU(pid int) (time.Duration, error) {
	var sum time.Duration
	for _, p := range family(pid) {
		// The clock of another process, see clock_getcpuclockid(3): CPUCLOCK_SCHED is 2. It counts threads that ended too.
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^p<<3|2), &ts); err != nil {
			return 0, fmt.Errorf("processor time of process %d: %w", p, err)
		}
		sum += time.Duration(ts.Nano())
	}
	return sum, nil
}

// PSS is the proportional set size of a process and its children, in bytes: pages that processes share are split between them.
func PSS(pid int) (int64, error) {
	var sum int64
	for _, p := range family(pid) {
		n, err := kibibytes(fmt.Sprintf("/proc/%d/smaps_rollup", p), "Pss:")
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// RSS is the resident set size of one process in bytes.
func RSS(pid int) (int64, error) { return kibibytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:") }

// family is the process and everything below it.
func family(pid int) []int {
	all := []int{pid}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, field := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, family(child)...)
		}
	}
	return all
}

func kibibytes(file, name string) (int64, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}

// Load is how many processes wanted a processor in the last minute, on average.
func Load() string {
	content, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(content), " ")
	return load
}

// Machine describes the machine in a line: processors, memory, kernel.
func Machine() string {
	model, cores := "unknown processor", 0
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpuinfo)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "model name":
			model = strings.TrimSpace(value)
		case "processor":
			cores++
		}
	}
	total, _ := kibibytes("/proc/meminfo", "MemTotal:")
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%d cores of %s, %d GiB, Linux %s", cores, model, (total+1<<29)>>30, strings.TrimSpace(string(release)))
}

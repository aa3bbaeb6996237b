package examples

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/mosquitto"
)

const unitFile = folder + "/systemd/mqtt-ws-bridge.service"

// mostExposure is how exposed the unit may be by systemd's own count, from 0 to 10. What is left is that it talks to the network.
const mostExposure = 1.5

// TestSystemdUnit has systemd read the unit and judge it.
func TestSystemdUnit(t *testing.T) {
	install.Debian(t, "systemd")
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	const program = "/usr/local/bin/mqtt-ws-bridge"
	if !strings.Contains(string(unit), "ExecStart="+program+" ") {
		t.Fatalf("the unit does not start %s", program)
	}
	self, err := os.Executable() // any program does
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), filepath.Base(unitFile))
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(unit), program, self)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", file).CombinedOutput()
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > mostExposure {
		t.Errorf("exposure is %s, at most %v; %v\n%s", m[1], mostExposure, err, out)
	}
}

// TestSystemdUnitAllowsWhatTheProgramCalls runs the program as it is shipped, through a session, a reload and a drain, and holds the system
// calls that it made against those that the unit allows.
func TestSystemdUnitAllowsWhatTheProgramCalls(t *testing.T) {
	install.Debian(t, "systemd", "strace")
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	broker := mosquitto.Start(t, mosquitto.Options{})
	trace := filepath.Join(t.TempDir(), "trace")
	binary := bridgeproc.Build(t, "CGO_ENABLED=0")
	t.Run("run", func(t *testing.T) { // the program ends with it
		b := bridgeproc.Start(t, bridgeproc.Options{Binary: binary, Upstream: "tcp://" + broker.TCP, Args: []string{"--drain.timeout", "20s", "--listen", "unix://" + filepath.Join(t.TempDir(), "s") + "?mode=0660"},
			Wrapper: []string{"strace", "-D", "-f", "-qq", "-e", "signal=none", "-o", trace}})
		in := &site{url: b.WS}
		in.online(t, device{})
		b.Signal(syscall.SIGHUP)
		in.online(t, device{id: "dev-2"})
		time.Sleep(2 * time.Second) // in which it looks at itself, at its sessions, and at the broker
	})
	allowed := allowedCalls(t, string(unit))
	called := calls(t, trace)
	for name := range called {
		if !allowed[name] {
			t.Errorf("the program calls %s, which the unit does not allow", name)
		}
	}
	for _, name := range []string{"execve", "accept4", "epoll_pwait", "exit_group"} { // of the beginning, the middle and the end
		if !called[name] {
			t.Errorf("%s was not seen; seen were %v", name, slices.Sorted(maps.Keys(called)))
		}
	}
}

// calls returns the names in a trace.
func calls(t *testing.T, trace string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllSubmatch(text, -1) {
		names[string(m[1])] = true
	}
	return names
}

// allowedCalls returns what the lines SystemCallFilter of a unit leave: a list, less those behind ~.
func allowedCalls(t *testing.T, unit string) map[string]bool {
	t.Helper()
	allowed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(unit, -1) {
		for _, item := range strings.Fields(m[2]) {
			for _, name := range expand(t, item) {
				allowed[name] = m[1] == ""
			}
		}
	}
	if len(allowed) < 100 {
		t.Errorf("the unit says %d names", len(allowed))
	}
	return allowed
}

// expand returns the names in a set such as @basic-io, and in the sets within.
func expand(t *testing.T, item string) (names []string) {
	t.Helper()
	if !strings.HasPrefix(item, "@") {
		return []string{item}
	}
	out, err := exec.Command("systemd-analyze", "--no-pager", "syscall-filter", item).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", item, err)
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line != "" && line != item && !strings.HasPrefix(line, "#") {
			names = append(names, expand(t, line)...)
		}
	}
	return names
}

package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"mqtt-ws-bridge/internal/install"
)

// inside marks a process that runs in a namespace of its own.
const inside = "NETLAB_INSIDE"

// Main is the tests of a package in a network namespace of their own, with nothing but a loopback interface.
type Main struct{ *testing.M }

// Run runs the tests and returns the status to exit with. Where no namespace can be made it runs them where they are, and [New] skips them.
func (m Main) Run() int {
	if os.Getenv(inside) != "" || os.Geteuid() != 0 {
		return m.M.Run()
	}
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal is for the end of the thread
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return m.M.Run()
	}
	if err := cmd.Wait(); err != nil {
		return max(cmd.ProcessState.ExitCode(), 1)
	}
	return 0
}

// Line is two namespaces and what connects them. It is gone with the test.
type Line struct {
	Near Space // the process
	Far  Space
}

// Space is one namespace, with a loopback interface and one end of the line.
type Space struct {
	IP string // of its end of the line

	t      testing.TB
	name   string // "" for that of the process
	device string // the name of its end
	// hardware is the address of its end.
	hardware string
}

var lines atomic.Int32

// New makes a line that bounds nothing. The test is skipped where that is not possible.
func New(t testing.TB) *Line {
	t.Helper()
	install.Debian(t, "iproute2")
	if os.Getenv(inside) == "" {
		t.Skip("needs root and network namespaces, to make lines with the Debian package iproute2")
	}
	n := lines.Add(1)
	if n > 250 {
		t.Fatal("too many lines for one process")
	}
	name := fmt.Sprintf("netlab-%d-%d", os.Getpid(), n)
	l := &Line{
		Near: Space{IP: fmt.Sprintf("10.0.%d.1", n), t: t, device: fmt.Sprintf("near%d", n), hardware: "02:00:00:00:00:01"},
		Far:  Space{IP: fmt.Sprintf("10.0.%d.2", n), t: t, device: "far", name: name, hardware: "02:00:00:00:00:02"},
	}
	run(t, "ip", "link", "set", "lo", "up")
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", name) })
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	run(t, "ip", "link", "add", l.Near.device, "type", "veth", "peer", "name", l.Far.device, "netns", name)
	t.Cleanup(func() { run(t, "ip", "link", "del", l.Near.device) })
	for _, s := range []*Space{&l.Near, &l.Far} {
		s.run("ip", "addr", "add", s.IP+"/30", "dev", s.device)
		s.run("ip", "link", "set", s.device, "address", s.hardware, "up")
	}
	l.Plug()
	return l
}

// Bound limits what leaves the namespace over the line to so many kbit/s. What is too much waits for half a second at most.
func (s *Space) Bound(kbit int) {
	s.t.Helper()
	s.run("tc", "qdisc", "replace", "dev", s.device, "root", "tbf", "rate", fmt.Sprintf("%dkbit", kbit), "burst", "3kb", "latency", "500ms")
}

// nobody is a hardware address that neither end has.
const nobody = "02:00:00:00:00:ff"

// Unplug lets nothing pass any more, either way, until Plug. Neither end hears of it: what they send is for nobody.
func (l *Line) Unplug() {
	l.Near.t.Helper()
	l.Near.knows(&l.Far, nobody)
	l.Far.knows(&l.Near, nobody)
}

// Plug ends Unplug.
func (l *Line) Plug() {
	l.Near.t.Helper()
	l.Near.knows(&l.Far, l.Far.hardware)
	l.Far.knows(&l.Near, l.Near.hardware)
}

// knows has the namespace send what is for other to a hardware address, without asking.
func (s *Space) knows(other *Space, hardware string) {
	s.t.Helper()
	s.run("ip", "neigh", "replace", other.IP, "lladdr", hardware, "dev", s.device, "nud", "permanent")
}

// Do calls f in the namespace: sockets that it opens, and processes that it starts, belong there. f must not leave that to other
// goroutines.
func (s *Space) Do(f func()) {
	if s.name == "" {
		f()
		return
	}
	done := make(chan error, 1)
	go s.do(f, done)
	if err := <-done; err != nil {
		s.t.Errorf("in the namespace %s: %v", s.name, err)
	}
}

// do runs f on a thread that is in the namespace meanwhile.
func (s *Space) do(f func(), done chan<- error) {
	var err error
	defer func() { done <- err }() // also where f ends the test
	runtime.LockOSThread()
	home, openErr := os.Open("/proc/thread-self/ns/net")
	if err = openErr; err != nil {
		return
	}
	defer home.Close()
	there, openErr := os.Open("/run/netns/" + s.name)
	if err = openErr; err != nil {
		return
	}
	defer there.Close()
	if err = unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return
	}
	err = errNotReturned
	f()
	if err = unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err == nil {
		runtime.UnlockOSThread() // otherwise the thread ends with this goroutine
	}
}

var errNotReturned = errors.New("the function did not return")

func (s *Space) run(name string, args ...string) {
	s.t.Helper()
	if s.name != "" {
		args = append([]string{"-n", s.name}, args...)
	}
	run(s.t, name, args...)
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

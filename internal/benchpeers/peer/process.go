package peer

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
)

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// Peer is a program to compare.
type Peer struct {
	Name    string
	Version string
	// Framed says that its upstream has to speak WebSocket.
	Framed bool
	// command writes the configuration of a process, if it needs one, and returns its command line.
	command func(t testing.TB, p *Process, pair certs.Pair) []string
}

// Process is a running peer. It ends with the test at the latest.
type Process struct {
	Peer    Peer
	PID     int
	WS, WSS string // URLs
	Admin   string // host:port of the bridge's admin listener, "" for others
	TCP     string // host:port of Mosquitto's plain listener, "" for others

	dir, listen, listenTLS, upstream string

	cmd    *exec.Cmd
	said   *os.File
	exited chan struct{} // closed when cmd has ended
	once   sync.Once
}

// Start runs the peer before an upstream at host:port and returns when it takes devices.
func (p Peer) Start(t testing.TB, upstream string, pair certs.Pair) *Process {
	t.Helper()
	host := loopback.Host()
	process := &Process{Peer: p, dir: t.TempDir(), upstream: upstream, exited: make(chan struct{}),
		listen: loopback.Address(t, host), listenTLS: loopback.Address(t, host)}
	process.WS, process.WSS = "ws://"+process.listen+"/mqtt", "wss://"+process.listenTLS+"/mqtt"
	args := p.command(t, process, pair)
	var err error
	if process.said, err = os.Create(filepath.Join(process.dir, "said")); err != nil {
		t.Fatalf("start %s: %v", p.Name, err)
	}
	process.cmd = exec.Command(args[0], args[1:]...)
	process.cmd.Stdout, process.cmd.Stderr = process.said, process.said
	if err := process.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.Name, err)
	}
	process.PID = process.cmd.Process.Pid
	go process.wait()
	t.Cleanup(process.Stop)
	if err := process.awaitReady(); err != nil {
		t.Fatalf("%s does not take devices: %v\n%s", p.Name, err, process.Said())
	}
	return process
}

// wait reaps the process; it ends with it.
func (p *Process) wait() {
	_ = p.cmd.Wait() // what it said tells how it ended
	close(p.exited)
}

// Stop ends the process and waits for its end. It may be called again.
func (p *Process) Stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(stopTimeout):
			_ = p.cmd.Process.Kill()
			<-p.exited
		}
		_ = p.said.Close()
	})
}

// Said is the end of what the process wrote.
func (p *Process) Said() string {
	content, _ := os.ReadFile(filepath.Join(p.dir, "said"))
	return string(content[max(0, len(content)-2000):])
}

func (p *Process) awaitReady() error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := p.ready()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended at once (%w)", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *Process) ready() error {
	for _, address := range []string{p.listen, p.listenTLS} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	if p.Admin == "" {
		return nil
	}
	answer, err := p.get("/readyz")
	if err != nil {
		return fmt.Errorf("%w %s", err, bytes.TrimSpace(answer))
	}
	return nil
}

func (p *Process) get(path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: startTimeout}
	answer, err := client.Get("http://" + p.Admin + path)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var content bytes.Buffer
	if _, err := content.ReadFrom(answer.Body); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return content.Bytes(), fmt.Errorf("%s: %s", path, answer.Status)
	}
	return content.Bytes(), nil
}

// Allocations is how many heap objects the bridge has allocated since it started, from its own metrics.
func (p *Process) Allocations() (float64, error) {
	content, err := p.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		var n float64
		if _, err := fmt.Sscanf(line, "go_memstats_mallocs_total %g", &n); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("/metrics has no go_memstats_mallocs_total")
}

// Profile saves a processor profile of the bridge, for go tool pprof.
func (p *Process) Profile(file string, length time.Duration) error {
	content, err := p.get(fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(length.Seconds())))
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// Package bridgeproc builds and runs the bridge's own program for a test: the thing that people run, with its command line,
// rather than its packages.
package bridgeproc

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
)

const (
	readyTimeout = 60 * time.Second // under an emulator on a busy machine
	stopTimeout  = 60 * time.Second
)

// Options say which bridge to run before which broker.
type Options struct {
	Binary   string   // from Build
	Wrapper  []string // what runs the binary, with its arguments: an emulator
	Upstream string   // the broker's URL
	TLS      bool     // a wss:// listener too, with a certificate of its own
	Args     []string // further arguments
	Unready  bool     // do not wait until devices would be taken, only until the operator is answered
}

// Bridge is a running bridge. It ends with the test.
type Bridge struct {
	WS, WSS string // URLs without a path; WSS is "" without TLS
	Admin   string // host:port

	// With TLS: who signed the certificate, and the certificate.
	Authority *certs.Authority
	Leaf      certs.Pair

	t      testing.TB
	cmd    *exec.Cmd
	said   *output
	exited chan error // has the one result of the process
}

// Build compiles the bridge into the test's directory, for this machine or, with environment settings such as GOARCH=arm,
// for another. For this machine it has the race detector if the test has it; for another it is built as it is shipped.
func Build(t testing.TB, env ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "mqtt-ws-bridge")
	args := []string{"build", "-o", binary}
	switch {
	case len(env) > 0:
		args = append(args, "-trimpath", "-ldflags", "-s -w")
	case raceEnabled:
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "mqtt-ws-bridge/cmd/mqtt-ws-bridge")...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the bridge %v: %v\n%s", env, err, out)
	}
	return binary
}

// Start runs the bridge and returns when it is ready to take devices.
func Start(t testing.TB, o Options) *Bridge {
	t.Helper()
	host := loopback.Host()
	listen, admin := loopback.Address(t, host), loopback.Address(t, host)
	b := &Bridge{WS: "ws://" + listen, Admin: admin, t: t, said: new(output), exited: make(chan error, 1)}
	args := append(o.Wrapper, o.Binary,
		"--listen", b.WS, "--upstream", o.Upstream, "--admin", admin, "--admin.pprof", "on", "--log.format", "json")
	if o.TLS {
		b.WSS = "wss://" + loopback.Address(t, host)
		b.Authority = certs.New(t)
		b.Leaf = b.Authority.Server(t, host)
		args = append(args, "--listen", b.WSS, "--tls.cert", b.Leaf.CertFile, "--tls.key", b.Leaf.KeyFile)
	}
	args = append(args, o.Args...)
	b.cmd = exec.Command(args[0], args[1:]...)
	b.cmd.Stdout, b.cmd.Stderr = b.said, b.said
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("start the bridge: %v", err)
	}
	go wait(b.cmd, b.exited)
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Logf("what the bridge said:\n%s", b.said)
		}
	})
	ask := "/readyz"
	if o.Unready {
		ask = "/healthz"
	}
	b.await(ask)
	return b
}

// PID is the process's number.
func (b *Bridge) PID() int { return b.cmd.Process.Pid }

// Said is everything that the bridge has said so far.
func (b *Bridge) Said() string { return b.said.String() }

// Signal sends the process a signal.
func (b *Bridge) Signal(s os.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatalf("send the bridge %v: %v", s, err)
	}
}

// Wait waits until the bridge has ended, which a signal of the test has told it to.
func (b *Bridge) Wait() {
	b.t.Helper()
	select {
	case err := <-b.exited:
		b.exited <- err // for stop
	case <-time.After(stopTimeout):
		b.t.Fatalf("the bridge does not end within %v", stopTimeout)
	}
}

// wait reaps the process; it ends with it.
func wait(cmd *exec.Cmd, exited chan<- error) { exited <- cmd.Wait() }

// await asks the admin listener until its answer is good.
func (b *Bridge) await(path string) {
	b.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: readyTimeout}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(readyTimeout)
	last := fmt.Errorf("never asked")
	for {
		select {
		case err := <-b.exited:
			b.exited <- err // for stop
			b.t.Fatalf("the bridge ended at once: %v", err)
		case <-deadline:
			b.t.Fatalf("the bridge is not ready after %v: %v", readyTimeout, last)
		case <-again.C:
		}
		answer, err := client.Get("http://" + b.Admin + path)
		if err != nil {
			last = err
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
		last = fmt.Errorf("%s: %s", path, answer.Status)
	}
}

// stop asks the bridge to end and sees that it ends well.
func (b *Bridge) stop() {
	b.t.Helper()
	_ = b.cmd.Process.Signal(syscall.SIGTERM) // it may have ended, which the result tells
	select {
	case err := <-b.exited:
		if err != nil {
			b.t.Errorf("the bridge ended with %v, want exit code 0", err)
		}
	case <-time.After(stopTimeout):
		_ = b.cmd.Process.Kill()
		<-b.exited
		b.t.Errorf("the bridge did not end within %v after SIGTERM", stopTimeout)
	}
}

// output collects what the program says.
type output struct {
	mu    sync.Mutex
	bytes []byte // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes = append(o.bytes, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.bytes)
}

package mosquitto

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

const (
	startTimeout = 10 * time.Second
	stopTimeout  = 10 * time.Second
)

// running marks the line with which Mosquitto says that its listeners are open.
var running = []string{"mosquitto version", "running"}

// Broker is one Mosquitto. Its addresses stay the same over Stop, Kill and Restart. It belongs to one test: its methods are
// not for concurrent use, except those of Log.
type Broker struct {
	// Addresses, host:port; "" for a listener that Options did not ask for.
	TCP, TLS, WebSocket, WSS string
	// Unix is the path of the Unix socket, "" without.
	Unix string
	// Authority signed the broker's certificate; nil without TLS.
	Authority *certs.Authority
	// Leaf is the broker's certificate, signed by Authority.
	Leaf certs.Pair
	// Log is what the broker says, over all its starts.
	Log *Log

	t      testing.TB
	host   string
	dir    string
	file   string
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// Start runs a broker until the test ends. The test is skipped where there is no Mosquitto and none can be installed.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	if _, err := exec.LookPath(binary()); err != nil {
		install.Debian(t, "mosquitto")
	}
	b := &Broker{t: t, host: loopback.Host(), dir: shortDir(t), Log: newLog()}
	b.TCP = loopback.Address(t, b.host)
	for _, want := range []struct {
		on   bool
		into *string
	}{{o.TLS, &b.TLS}, {o.WebSocket, &b.WebSocket}, {o.WSS, &b.WSS}} {
		if want.on {
			*want.into = loopback.Address(t, b.host)
		}
	}
	if o.Unix {
		b.Unix = filepath.Join(b.dir, "mqtt.sock")
	}
	b.file = b.config(t, o)
	t.Cleanup(func() {
		b.Kill()
		if t.Failed() {
			t.Logf("what Mosquitto said last:\n%s", b.Log.tail(200))
		}
	})
	b.start(t)
	return b
}

// Version is the version of the installed Debian package, "" where Mosquitto comes from elsewhere.
func Version() string { return install.Version("mosquitto") }

// Restart starts a stopped or killed broker again, at the same addresses.
func (b *Broker) Restart() {
	b.t.Helper()
	if b.cmd != nil {
		b.t.Fatal("restart: the broker still runs")
	}
	b.start(b.t)
}

// Stop ends the broker in good order and waits for its end.
func (b *Broker) Stop() {
	b.t.Helper()
	b.end(syscall.SIGTERM)
}

// Kill ends the broker as a crash would, and waits for its end. It is fine when it has ended already.
func (b *Broker) Kill() {
	b.t.Helper()
	b.end(syscall.SIGKILL)
}

func (b *Broker) start(t testing.TB) {
	t.Helper()
	starts := b.Log.Count(running...)
	b.cmd = exec.Command(binary(), "-c", b.file)
	b.cmd.Stderr = b.Log
	b.cmd.Stdout = b.Log
	if err := b.cmd.Start(); err != nil {
		t.Fatalf("start Mosquitto: %v", err)
	}
	b.exited = make(chan struct{})
	go wait(b.cmd, b.exited)
	b.await(t, starts+1, running...)
	conn, err := net.DialTimeout("tcp", b.TCP, startTimeout)
	if err != nil {
		t.Fatalf("Mosquitto runs but does not answer: %v\n%s", err, b.Log)
	}
	defer conn.Close()
	// It says that it runs just before its main loop starts, and a SIGTERM between the two is lost.
	b.await(t, 1, "New connection from "+conn.LocalAddr().String())
}

// await returns when the starting broker has said n lines that contain all the given parts.
func (b *Broker) await(t testing.TB, n int, parts ...string) {
	t.Helper()
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	for {
		more := b.Log.next()
		if b.Log.Count(parts...) >= n {
			return
		}
		select {
		case <-more:
		case <-b.exited:
			t.Fatalf("Mosquitto ended at once:\n%s", b.Log)
		case <-deadline.C:
			t.Fatalf("Mosquitto does not run after %v:\n%s", startTimeout, b.Log)
		}
	}
}

// wait reaps the process; it ends with it.
func wait(cmd *exec.Cmd, exited chan<- struct{}) {
	_ = cmd.Wait() // how it ended is in its log
	close(exited)
}

func (b *Broker) end(s os.Signal) {
	b.t.Helper()
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(s) // it may have ended by itself
	select {
	case <-b.exited:
	case <-time.After(stopTimeout):
		_ = b.cmd.Process.Kill()
		<-b.exited
		b.t.Errorf("Mosquitto did not end within %v after %v", stopTimeout, s)
	}
	b.cmd = nil
}

// binary is Mosquitto's path: Debian keeps it in sbin, which is not on everyone's PATH.
func binary() string {
	if path, err := exec.LookPath("mosquitto"); err == nil {
		return path
	}
	return "/usr/sbin/mosquitto"
}

// shortDir is a directory of the test whose name fits a Unix socket's address (108 bytes).
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mosquitto")
	if err != nil {
		t.Fatalf("make the broker's directory: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(fmt.Errorf("remove the broker's directory: %w", err))
		}
	})
	return dir
}

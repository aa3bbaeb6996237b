//go:build unix

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// TestDrain: SIGTERM tells every device, answers 503 meanwhile, and ends with 0.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := start(t, "--drain.rate", "1")
	if code, text := p.ready(); code != 200 {
		t.Fatalf("/readyz is %d %s", code, text)
	}
	devices := []*websocket.Conn{p.online('a'), p.online('b'), p.online('c')}
	var others []*websocket.Conn // the drain lasts as long as they are there
	for id := range byte(30) {
		others = append(others, p.online('A'+id))
	}
	p.signal(terminate)
	p.wait("draining")
	code, text := p.ready()
	for deadline := time.Now().Add(10 * time.Second); code == 200 && time.Now().Before(deadline); { // it is said just before it is done
		code, text = p.ready()
	}
	if code != 503 || !strings.HasPrefix(text, "draining: ") {
		t.Errorf("/readyz is %d %s", code, text)
	}
	_, resp, err := websocket.Dial(t.Context(), p.device, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err == nil || resp == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a new device gets %v", err)
	}
	for _, ws := range others {
		_ = ws.CloseNow()
	}
	for _, ws := range devices {
		_, b, err := ws.Read(t.Context())
		if err != nil || b[0] != 0xE0 || b[2] != 0x8B {
			t.Errorf("device hears % x, %v; want DISCONNECT 0x8B", b, err)
		}
		if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("device hears %v, want close 1001", err)
		}
	}
	if status := p.status(); status != 0 {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
	if n := strings.Count(p.text(), `"reason":"shutdown"`); n < 3 {
		t.Errorf("%d sessions ended for shutdown\n%s", n, p.text())
	}
}

// TestSecondSignal cuts what is left and ends with 1.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	p := start(t, "--drain.rate", "1", "--drain.timeout", "1h")
	for id := range byte(30) {
		p.online('A' + id)
	}
	p.signal(terminate)
	p.wait("draining")
	p.signal(os.Interrupt)
	if status := p.status(); status != 1 {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
	p.wait("stopped; sessions were cut")
}

// TestDrainDeadline does the same.
func TestDrainDeadline(t *testing.T) {
	t.Parallel()
	p := start(t, "--drain.rate", "1", "--drain.timeout", "100ms")
	for id := range byte(10) {
		p.online('A' + id)
	}
	p.signal(terminate)
	if status := p.status(); status != 1 || !strings.Contains(p.text(), `"reason":"cut"`) {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
}

// TestSignalBeforeServing: one that comes while the brokers are asked for the first time is not lost, and SIGHUP ends nothing.
func TestSignalBeforeServing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := command(t, "--listen", "127.0.0.1:0", "--admin", "off", "--log.format", "json", "--upstream", "tls://"+silent.Addr().String(),
		"--upstream.dial-timeout", "10m")
	_ = silent.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	nc, err := silent.Accept() // the program dials, and gets no answer
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	p.signal(syscall.SIGHUP)
	p.signal(terminate)
	if status := p.status(); status != 0 {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
}

// TestSignalsWhileClosing: SIGHUP that comes while the process stops, up to its last moment, does not change how it ends.
func TestSignalsWhileClosing(t *testing.T) {
	t.Parallel()
	for range 5 {
		p := start(t)
		p.online('A')
		p.signal(terminate)
		var hangups sync.WaitGroup
		hangups.Go(func() {
			for p.cmd.Process.Signal(syscall.SIGHUP) == nil {
				time.Sleep(time.Millisecond) // otherwise it does nothing but hear of signals
			}
		})
		status := p.status()
		hangups.Wait() // nobody can be signalled who has been waited for
		if status != 0 {
			t.Fatalf("exit status %d\n%s", status, p.text())
		}
	}
}

// TestTakenPort says which key it was, and which address.
func TestTakenPort(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for _, c := range []struct{ want, args string }{
		{"listen for devices: ", "--admin off --embedded.listen off --listen " + address},
		{"admin.listen", "--embedded.listen off --listen 127.0.0.1:0 --admin " + address},
	} {
		p := command(t, strings.Fields(c.args)...)
		if status := p.status(); status != 1 {
			t.Errorf("%s: exit status %d\n%s", c.args, status, p.text())
		}
		line := p.wait("cannot start")
		if text := line["error"].(string); !strings.Contains(text, c.want) || !strings.Contains(text, address) {
			t.Errorf("%s: %s", c.args, text)
		}
	}
	p := command(t, "--admin", "off", "--listen", "127.0.0.1:0", "--embedded.listen", address) // is said and done without
	if line := p.wait("the embedded broker does without its own address"); line["level"] != "WARN" || line["address"] != address {
		t.Errorf("log says %v", line)
	}
	p.wait("serving")
}

// TestUnixSocket: a file left behind is no obstacle, one in use is.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	left.(*net.UnixListener).SetUnlinkOnClose(false)
	left.Close()
	args := []string{"--admin", "off", "--embedded.listen", "off", "--log.format", "json", "--listen", "unix://" + path}
	p := command(t, args...)
	p.wait("serving")
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	second := command(t, args...)
	if status := second.status(); status != 1 {
		t.Errorf("exit status %d\n%s", status, second.text())
	}
	second.wait("cannot start")
	if nc, err = net.Dial("unix", path); err != nil {
		t.Fatalf("the first lost its socket: %v", err)
	}
	nc.Close()
	p.signal(terminate)
	if status := p.status(); status != 0 {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the socket is left behind")
	}
}

// TestUnixSocketOverFile: a file that is no socket is not removed.
func TestUnixSocketOverFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(path, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := command(t, "--admin", "off", "--embedded.listen", "off", "--log.format", "json", "--listen", "unix://"+path)
	line := p.wait("cannot start")
	if status := p.status(); status != 1 || !strings.Contains(line["error"].(string), path) {
		t.Errorf("exit status %d\n%s", status, p.text())
	}
	if b, err := os.ReadFile(path); string(b) != "data" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}

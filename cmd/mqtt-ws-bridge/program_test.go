package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/loopback"
)

// program is the built program, running.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	device string // URL
	admin  string // host:port

	mu  sync.Mutex
	log []map[string]any
	out bytes.Buffer
	new chan struct{} // of one: there is a new line

	reading sync.WaitGroup
}

// start runs this test binary as the program and waits until it serves.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	return startIn(t, nil, args...)
}

// startIn is start with a command in front that runs what it is given, such as env.
func startIn(t *testing.T, wrapper []string, args ...string) *program {
	t.Helper()
	host := loopback.Host()
	device, admin := loopback.Address(t, host), loopback.Address(t, host)
	args = append([]string{"--listen", device, "--admin", admin, "--embedded.listen", "off", "--log.format", "json"}, args...)
	p := commandIn(t, wrapper, args...)
	p.device, p.admin = "ws://"+device+"/mqtt", admin
	p.wait("serving")
	return p
}

// command starts the program with only these arguments.
func command(t *testing.T, args ...string) *program {
	t.Helper()
	return commandIn(t, nil, args...)
}

func commandIn(t *testing.T, wrapper []string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args = append(append(wrapper, programPath(t, self)), args...)
	p := &program{t: t, cmd: exec.Command(args[0], args[1:]...), new: make(chan struct{}, 1)}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.reading.Go(func() { p.read(stderr) })
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.reading.Wait()
		_ = p.cmd.Wait()
	})
	return p
}

// programPath is a link to the test binary under the program's name: testscript tells by it which of the two is meant.
func programPath(t *testing.T, self string) string {
	t.Helper()
	path := t.TempDir() + "/mqtt-ws-bridge"
	if err := os.Symlink(self, path); err != nil {
		t.Skipf("the program cannot be started under its name: %v", err)
	}
	return path
}

func (p *program) read(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		m := make(map[string]any)
		_ = json.Unmarshal(lines.Bytes(), &m) // what is no JSON stays empty
		p.mu.Lock()
		p.log = append(p.log, m)
		p.out.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		select {
		case p.new <- struct{}{}:
		default:
		}
	}
}

// wait returns the first log line with this message.
func (p *program) wait(message string) map[string]any {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		p.mu.Lock()
		for _, m := range p.log {
			if m["msg"] == message {
				p.mu.Unlock()
				return m
			}
		}
		p.mu.Unlock()
		select {
		case <-p.new:
		case <-deadline:
			p.t.Fatalf("no line %q in\n%s", message, p.text())
		}
	}
}

// hangUp sends SIGHUP and returns the first line with this message that is logged after it.
func (p *program) hangUp(message string) map[string]any {
	p.t.Helper()
	p.mu.Lock()
	p.log = nil // a reload before said the same
	p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		p.t.Skipf("no SIGHUP here: %v", err)
	}
	return p.wait(message)
}

func (p *program) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// status waits for the end, and until all that was said has been read.
func (p *program) status() int {
	p.t.Helper()
	timer := time.AfterFunc(20*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	state, err := p.cmd.Process.Wait()
	if err != nil {
		p.t.Fatal(err)
	}
	p.reading.Wait()
	return state.ExitCode()
}

func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// ready returns what /readyz says.
func (p *program) ready() (int, string) {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + p.admin + "/readyz")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(b))
}

// device connects a device of MQTT 5 and brings it online.
func (p *program) online(id byte) *websocket.Conn {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, p.device, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = ws.CloseNow() })
	connect := []byte{0x10, 14, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 0, 0, 0, 1, id}
	if err := ws.Write(ctx, websocket.MessageBinary, connect); err != nil {
		p.t.Fatal(err)
	}
	if _, b, err := ws.Read(ctx); err != nil || b[0] != 0x20 || b[3] != 0 {
		p.t.Fatalf("CONNACK % x, %v", b, err)
	}
	return ws
}

const terminate = syscall.SIGTERM

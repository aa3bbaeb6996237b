package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/wsframes"
)

// logged keeps the log for a test.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// reset forgets what was logged.
func (l *logged) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// await waits for a line with this message and reason.
func (l *logged) await(t *testing.T, message, reason string) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		text := l.buf.String()
		l.mu.Unlock()
		for line := range strings.Lines(text) {
			m := make(map[string]any)
			if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == message && (reason == "" || m["reason"] == reason) {
				return m
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Fatalf("no line %q with reason %q in\n%s", message, reason, &l.buf)
	return nil
}

// startBridge wires and starts a bridge in front of a broker that the test plays, without an operator's listener.
func startBridge(t *testing.T, change func(*config.Config)) (p *process, brokers chan net.Conn, log *logged) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	brokers = make(chan net.Conn, 8)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			brokers <- nc
		}
	}()
	p, log = wireBefore(t, "tcp://"+l.Addr().String(), change)
	t.Cleanup(func() {
		p.close()
		l.Close()
		<-ended
	})
	if err := p.pool.Check(t.Context()); err == nil {
		(<-brokers).Close()
	}
	p.start()
	return p, brokers, log
}

// wireBefore wires a bridge in front of a broker, without an operator's listener. The caller starts and closes it.
func wireBefore(t *testing.T, broker string, change func(*config.Config)) (*process, *logged) {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin.Listen = []string{"ws://127.0.0.1:0"}, ""
	cfg.Upstream.URLs = []string{broker}
	change(cfg)
	if err := config.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	log := new(logged)
	p, err := wire(cfg, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	return p, log
}

const (
	upgradeHead = "GET /mqtt HTTP/1.1\r\nHost: b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
	offer         = "Sec-WebSocket-Protocol: mqtt\r\n"
	connectPacket = "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a"
)

// framed is a binary frame masked with zeros.
func framed(payload string) string {
	return string(wsframes.Readable(wsframes.FIN|wsframes.Binary, payload))
}

func dialDevices(t *testing.T, p *process) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", p.deviceListeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

func send(t *testing.T, nc net.Conn, bytes string) {
	t.Helper()
	if _, err := nc.Write([]byte(bytes)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(nc, got); err != nil || string(got) != want {
		t.Fatalf("read % x and %v, want % x", got[:n], err, want)
	}
	nc.SetReadDeadline(time.Time{})
}

// writeUsers writes a file of one user, whose password costs some milliseconds to check, and returns its name.
func writeUsers(t *testing.T, user, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), 8)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(file, append([]byte(user+":"), hash...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

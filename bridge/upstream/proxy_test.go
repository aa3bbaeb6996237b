package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

// tinyproxy runs Tinyproxy, which lets this user through to any port, and returns its address.
func tinyproxy(t *testing.T, user, password string) string {
	t.Helper()
	install.Debian(t, "tinyproxy-bin")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	address := loopback.Address(t, loopback.Host())
	host, port, _ := net.SplitHostPort(address)
	file := filepath.Join(dir, "tinyproxy.conf")
	conf := fmt.Sprintf("Port %s\nListen %s\nTimeout 600\nMaxClients 20\nBasicAuth %s %s\n", port, host, user, password)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tinyproxy", "-d", "-c", file)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("tinyproxy: %s", &said)
		}
	})
	eventually(t, "the proxy listens", func() bool {
		nc, err := net.Dial("tcp", address)
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
	return address
}

// TestProxy reaches brokers of each kind through a real proxy, which asks for a password.
func TestProxy(t *testing.T) {
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.issue()}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "broker.sock")
	listen(t, "unix", socket, echo)
	plain := listen(t, "tcp", elsewhere(), echo)
	address := tinyproxy(t, "user", "canary")
	for _, url := range []string{
		"tcp://" + plain.Addr().String(), "tls://" + serveOn(t, tls.NewListener(l, config), echo).Addr().String(),
		serveWS(t, nil, echoWS).String(), serveWS(t, config, echoWS).String(), "unix://" + socket,
	} {
		with := func(p upstream.Proxy) *upstream.Pool {
			return newPool(t, new(lines), func(o *upstream.Options) {
				o.Proxy, o.TLS = p, always(&tls.Config{RootCAs: a.pool})
			}, parse(t, url))
		}
		if err := exchange(t, with(upstream.Proxy{Address: address, Username: "user", Password: "canary"})); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		err := exchange(t, with(upstream.Proxy{Address: address, Username: "user", Password: "wrong-canary"}))
		if unix := strings.HasPrefix(url, "unix"); unix != (err == nil) || !unix && (strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "40")) {
			t.Errorf("%s with the wrong password: %v", url, err)
		}
	}
	if nc, err := net.Dial("tcp", plain.Addr().String()); err == nil { // the proxy forwards to it, and it is gone
		nc.Close()
	}
	plain.stop()
	p := newPool(t, new(lines), func(o *upstream.Options) {
		o.Proxy = upstream.Proxy{Address: address, Username: "user", Password: "canary"}
	}, tcpURL(t, plain.Addr()))
	if err := exchange(t, p); err == nil || !strings.Contains(err.Error(), "proxy "+address) {
		t.Errorf("a broker that is gone: %v", err)
	}
}

// TestBoundedProxy: what a proxy answers is bounded in bytes and time, and nothing of it is repeated.
func TestBoundedProxy(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(w io.Writer)
		fail   string
	}{
		{"headers without end", func(w io.Writer) { endless(w, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("canary", 100)+"\r\n") }, "at most"},
		{"no HTTP", func(w io.Writer) { fmt.Fprint(w, "SSH-2.0-canary\r\n\r\n") }, "no answer in HTTP"},
		{"refuses", func(w io.Writer) { fmt.Fprint(w, "HTTP/1.1 403 canary\r\nContent-Length: 0\r\n\r\n") }, "403 Forbidden"},
		{"speaks for the broker", func(w io.Writer) { fmt.Fprint(w, "HTTP/1.1 200 OK\r\n\r\ncanary") }, "sends something"},
		{"silent", func(io.Writer) {}, "deadline"},
		{"hangs up", nil, "hangs up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := listen(t, "tcp", elsewhere(), func(nc net.Conn) {
				_, _ = nc.Read(make([]byte, 1000))
				if c.answer != nil {
					c.answer(&breaks{w: nc})
					hear(nc)
				}
			})
			p := newPool(t, new(lines), func(o *upstream.Options) {
				o.Proxy = upstream.Proxy{Address: l.Addr().String(), Username: "user", Password: "canary"}
			}, parse(t, "tcp://broker.invalid:1883"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			b, err := p.Dial(ctx, bridge.DeviceInfo{})
			if err == nil {
				b.Close()
				t.Fatal("the broker is dialled")
			}
			if !strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error %v, want %q", err, c.fail)
			}
		})
	}
}

// TestPings: an idle WebSocket is pinged at each interval, as long as it is open.
func TestPings(t *testing.T) {
	pings := make(chan struct{}, 100)
	u := serveWS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"},
			OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true }})
		if err != nil {
			return
		}
		echo(websocket.NetConn(r.Context(), c, websocket.MessageBinary))
	})
	for _, interval := range []time.Duration{0, 20 * time.Millisecond} {
		p := newPool(t, new(lines), func(o *upstream.Options) { o.PingInterval = interval }, u)
		b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { hear(b); close(done) }() // as a session does
		if interval > 0 {
			for range 3 {
				<-pings
			}
		}
		b.Close()
		<-done
		if interval == 0 && len(pings) > 0 {
			t.Error("pings without an interval")
		}
	}
}

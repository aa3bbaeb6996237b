package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
)

// TestIdleDevicesOwnNoGoroutine has devices fall quiet over ws and wss, with and without a proxy in front, and wakes them from
// both ends, through real sockets and the wiring of the program.
func TestIdleDevicesOwnNoGoroutine(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for sessions to fall quiet")
	}
	brokers := make(chan net.Conn, 8)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			brokers <- nc
		}
	}()
	cfg, roots := idleConfig(t, l.Addr().String())
	p, err := wire(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := p.pool.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	(<-brokers).Close() // the check
	p.start()

	var devices, ends []net.Conn
	for i := range 2 * len(p.deviceListeners) {
		listener, proxied := i/2, i%2 == 1
		device := openDevice(t, deviceURL(p.deviceListeners[listener].address, p.deviceListeners[listener].Addr().String(), "/mqtt"), roots, proxied)
		send(t, device, "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")
		end := <-brokers
		t.Cleanup(func() { end.Close() })
		receive(t, end, "\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")
		send(t, end, "\x20\x02\x00\x00")
		receive(t, device, "\x20\x02\x00\x00")
		devices, ends = append(devices, device), append(ends, end)
	}
	for range 2 {
		awaitNoSession(t)
		for i := range devices {
			send(t, devices[i], "\xc0\x00")
			receive(t, ends[i], "\xc0\x00")
		}
		awaitNoSession(t)
		for i := range devices {
			send(t, ends[i], "\xd0\x00")
			receive(t, devices[i], "\xd0\x00")
		}
	}
}

// proxy is the address of this machine from which connections begin with a PROXY header.
const proxy = "127.0.0.2"

// idleConfig is a bridge with a plain and a TLS listener in front of a broker.
func idleConfig(t *testing.T, broker string) (*config.Config, *x509.CertPool) {
	ca := certs.New(t)
	cert := ca.Server(t, "127.0.0.1")
	cfg := config.Default()
	cfg.Listen = []string{"ws://127.0.0.1:0", "wss://127.0.0.1:0"}
	cfg.TLS.Cert, cfg.TLS.Key = cert.CertFile, cert.KeyFile
	cfg.Addresses.ProxyProtocol = []string{proxy}
	cfg.Upstream.URLs = []string{"tcp://" + broker}
	cfg.Admin.Listen = ""
	return cfg, ca.Pool()
}

func openDevice(t *testing.T, url string, roots *x509.CertPool, proxied bool) net.Conn {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	if proxied {
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxy)}}
			nc, err := dialer.DialContext(ctx, network, address)
			if err == nil {
				_, err = io.WriteString(nc, "PROXY TCP4 203.0.113.7 192.0.2.1 4711 8083\r\n")
			}
			return nc, err
		}
	}
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(url, "localhost", "127.0.0.1", 1), &websocket.DialOptions{
		Subprotocols: []string{"mqtt"}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
}

// awaitNoSession waits until no goroutine runs a session.
func awaitNoSession(t *testing.T) {
	t.Helper()
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "(*session)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("sessions keep their goroutines:\n%s", stacks)
		}
	}
}

package upstream_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/loopback"
)

// listening is a broker that gives each connection to serve, counts them, and is closed with the test.
type listening struct {
	net.Listener
	mu    sync.Mutex
	count int
	conns []net.Conn
	wg    sync.WaitGroup
}

// elsewhere is an address to listen on that stays free when nobody listens any more: outgoing connections get no port of it.
func elsewhere() string { return net.JoinHostPort(loopback.Host(), "0") }

func listen(t testing.TB, network, address string, serve func(net.Conn)) *listening {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, serve)
}

func serveOn(t testing.TB, l net.Listener, serve func(net.Conn)) *listening {
	b := &listening{Listener: l}
	b.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.count++
			b.conns = append(b.conns, nc)
			b.mu.Unlock()
			b.wg.Go(func() { serve(nc); nc.Close() })
		}
	})
	t.Cleanup(b.stop)
	return b
}

// stop closes the listener and all connections.
func (b *listening) stop() {
	b.Close()
	b.mu.Lock()
	for _, nc := range b.conns {
		nc.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *listening) accepted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count
}

// echo answers until the end.
func echo(nc net.Conn) { _, _ = io.Copy(nc, nc) }

// hear reads until the end and says nothing.
func hear(nc net.Conn) { _, _ = io.Copy(io.Discard, nc) }

// serveWS is a WebSocket broker. The URL has scheme ws, or wss with config.
func serveWS(t testing.TB, config *tls.Config, handler http.HandlerFunc) *url.URL {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if config != nil {
		s.TLS = config
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return parse(t, strings.Replace(s.URL, "http", "ws", 1)+"/mqtt?token=canary")
}

// echoWS agrees to mqtt and answers until the end.
func echoWS(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return
	}
	nc := websocket.NetConn(r.Context(), c, websocket.MessageBinary)
	echo(nc)
	nc.Close()
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func tcpURL(t testing.TB, a net.Addr) *url.URL { return parse(t, "tcp://"+a.String()) }

// lines is a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// newPool returns a pool, changed by change if that is not nil.
func newPool(t testing.TB, log io.Writer, change func(*upstream.Options), urls ...*url.URL) *upstream.Pool {
	t.Helper()
	opts := upstream.Options{URLs: urls, Subprotocol: "mqtt", DialTimeout: 5 * time.Second, HealthInterval: time.Hour,
		Log: slog.New(slog.NewJSONHandler(log, nil))}
	if change != nil {
		change(&opts)
	}
	p, err := upstream.NewPool(opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runPool runs p until the test ends.
func runPool(t testing.TB, p *upstream.Pool) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// eventually fails the test if it does not come about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

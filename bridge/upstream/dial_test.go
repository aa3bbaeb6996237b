package upstream_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// exchange dials, says something, hears it again, and ends.
func exchange(t testing.TB, p *upstream.Pool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	b, err := p.Dial(ctx, bridge.DeviceInfo{})
	cancel() // as a session does: the connection must outlive it
	if err != nil {
		return err
	}
	defer b.Close()
	_ = b.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := b.Write([]byte("hello")); err != nil { // TLS 1.3 says here that a client certificate is missing
		return err
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(b, got); err != nil {
		return err
	}
	if string(got) != "hello" || strings.Contains(b.Name, "canary") || b.Name == "" {
		t.Errorf("broker %q answers %q", b.Name, got)
	}
	return nil
}

// always is one configuration for all dials, or none.
func always(c *tls.Config) func() *tls.Config {
	if c == nil {
		return nil
	}
	return func() *tls.Config { return c }
}

func TestDial(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.issue()}}
	named := &tls.Config{Certificates: []tls.Certificate{a.issue("broker.example")}}
	strict := &tls.Config{Certificates: server.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool}
	old := &tls.Config{Certificates: server.Certificates, MaxVersion: tls.VersionTLS12}
	overTLS := func(c *tls.Config) *url.URL {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return parse(t, "tls://"+serveOn(t, tls.NewListener(l, c), echo).Addr().String())
	}
	socket := filepath.Join(t.TempDir(), "broker.sock")
	listen(t, "unix", socket, echo)
	trusting := &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS12}
	for _, c := range []struct {
		name string
		url  *url.URL
		tls  *tls.Config
		fail string // part of the error; "": none
	}{
		{name: "tcp", url: tcpURL(t, listen(t, "tcp", "127.0.0.1:0", echo).Addr())},
		{name: "unix", url: &url.URL{Scheme: "unix", Path: socket}},
		{name: "tls", url: overTLS(server), tls: trusting},
		{name: "tls from a stranger", url: overTLS(server), tls: &tls.Config{RootCAs: stranger.pool}, fail: "unknown authority"},
		{name: "tls with the system's roots", url: overTLS(server), fail: "certificate"},
		{name: "tls with another name", url: overTLS(named), tls: trusting, fail: "certificate"},
		{name: "tls with the expected name", url: overTLS(named), tls: &tls.Config{RootCAs: a.pool, ServerName: "broker.example"}},
		{name: "tls with an unexpected name", url: overTLS(named), tls: &tls.Config{RootCAs: a.pool, ServerName: "other.example"}, fail: "other.example"},
		{name: "tls with a client certificate", url: overTLS(strict), tls: &tls.Config{RootCAs: a.pool, Certificates: []tls.Certificate{a.issue()}}},
		{name: "tls without a client certificate", url: overTLS(strict), tls: trusting, fail: "certificate required"},
		{name: "tls too old", url: overTLS(old), tls: &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS13}, fail: "protocol version"},
		{name: "ws", url: serveWS(t, nil, echoWS)},
		{name: "wss", url: serveWS(t, server, echoWS), tls: trusting},
		{name: "wss from a stranger", url: serveWS(t, server, echoWS), tls: &tls.Config{RootCAs: stranger.pool}, fail: "unknown authority"},
		{name: "wss with another name", url: serveWS(t, named, echoWS), tls: trusting, fail: "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPool(t, new(lines), func(o *upstream.Options) { o.TLS = always(c.tls) }, c.url)
			err := exchange(t, p)
			switch {
			case (err != nil) != (c.fail != ""):
				t.Errorf("error %v, want %q", err, c.fail)
			case err != nil && (!strings.Contains(err.Error(), c.fail) || strings.Contains(err.Error(), "canary")):
				t.Errorf("error %v, want %q", err, c.fail)
			}
		})
	}
}

// TestWebSocketHandshake: what is sent, what has to be agreed to, and that nothing secret is repeated when it fails.
func TestWebSocketHandshake(t *testing.T) {
	headers := http.Header{"Authorization": {"Bearer canary"}, "X-Api-Key": {"canary"}}
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		offer   string
		fail    string
	}{
		{name: "headers", offer: "mqtt", handler: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer canary" || r.Header.Get("X-Api-Key") != "canary" || r.URL.RawQuery != "token=canary" ||
				r.URL.Path != "/mqtt" || r.Header.Get("Sec-Websocket-Protocol") != "mqtt" || r.Header.Get("Sec-Websocket-Extensions") != "" {
				t.Errorf("broker sees %v %v", r.URL, r.Header)
			}
			echoWS(w, r)
		}},
		{name: "no subprotocol is offered", handler: func(w http.ResponseWriter, r *http.Request) {
			if _, ok := r.Header["Sec-Websocket-Protocol"]; ok {
				t.Errorf("broker sees %v", r.Header)
			}
			echoWS(w, r)
		}},
		{name: "subprotocol refused", offer: "mqttv3.1", handler: echoWS, fail: "subprotocol"},
		{name: "401", offer: "mqtt", fail: "401", handler: func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "not with Bearer canary", http.StatusUnauthorized)
		}},
		{name: "redirect", offer: "mqtt", fail: "307", handler: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/other" {
				t.Error("the redirect was followed")
			}
			http.Redirect(w, r, "/other?token=canary", http.StatusTemporaryRedirect)
		}},
		{name: "no HTTP", offer: "mqtt", fail: "WebSocket", handler: func(w http.ResponseWriter, _ *http.Request) {
			nc, _, _ := http.NewResponseController(w).Hijack()
			_, _ = nc.Write([]byte("SSH-2.0-OpenSSH\r\n"))
			nc.Close()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := new(lines)
			p := newPool(t, log, func(o *upstream.Options) { o.Headers, o.Subprotocol = headers, c.offer }, serveWS(t, nil, c.handler))
			err := exchange(t, p)
			if (err != nil) != (c.fail != "") || err != nil && !strings.Contains(err.Error(), c.fail) {
				t.Errorf("error %v, want %q", err, c.fail)
			}
			check := p.Check(t.Context())
			for _, said := range []string{errText(err), errText(check), log.String()} {
				if strings.Contains(said, "canary") {
					t.Errorf("a secret is in %q", said)
				}
			}
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestWebSocketEnd: the end of writing is a close frame behind everything that was written, and what the broker still had to
// say does not break it.
func TestWebSocketEnd(t *testing.T) {
	seen := make(chan string, 1)
	u := serveWS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			return
		}
		_ = c.Write(r.Context(), websocket.MessageBinary, make([]byte, 10<<10))
		nc := websocket.NetConn(r.Context(), c, websocket.MessageBinary)
		all, err := io.ReadAll(nc)
		seen <- string(all) + " " + errText(err)
		nc.Close()
	})
	b, err := newPool(t, new(lines), nil, u).Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	h, ok := b.Conn.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("a WebSocket to a broker cannot end its direction alone")
	}
	drained := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, b); drained <- err }() // as the session does
	if err := h.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := <-seen; got != "last words " {
		t.Errorf("broker sees %q", got)
	}
	<-drained
}

// TestRudeWebSocket: a broker that does not answer a close frame keeps nobody waiting.
func TestRudeWebSocket(t *testing.T) {
	release := make(chan struct{})
	u := serveWS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err == nil {
			<-release
			_ = c.CloseNow()
		}
	})
	defer close(release)
	p := newPool(t, new(lines), nil, u)
	began := time.Now()
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	_ = b.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if h, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
	}
	_, _ = io.Copy(io.Discard, b)
	b.Close()
	if took := time.Since(began); took > 5*time.Second { // the library's patience with a peer that does not answer a close frame
		t.Errorf("probe, dial and close took %v", took)
	}
}

// TestLastWordsOverTLS: bytes and close_notify in one go arrive as bytes and end.
func TestLastWordsOverTLS(t *testing.T) {
	a := newAuthority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{a.issue()}}), func(nc net.Conn) {
		_, _ = nc.Write([]byte{0x20, 2, 0, 5})
	})
	p := newPool(t, new(lines), func(o *upstream.Options) { o.TLS = always(&tls.Config{RootCAs: a.pool}) }, parse(t, "tls://"+s.Addr().String()))
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got, err := io.ReadAll(b); len(got) != 4 || err != nil {
		t.Errorf("% x, %v", got, err)
	}
}

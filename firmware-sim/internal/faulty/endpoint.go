// Package faulty is a WebSocket endpoint for tests that is right in everything but the faults it is told to have. The
// MQTT behind it is a real in-process broker, so that a test sees the fault and nothing else.
package faulty

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"

	"mqtt-ws-bridge/firmware-sim/wire"
)

// Endpoint is the running endpoint and its broker.
type Endpoint struct {
	URL, Broker string // ws://ADDRESS/mqtt and tcp://ADDRESS

	listener net.Listener
	faults   map[string]bool
	group    sync.WaitGroup
	count    atomic.Int64 // PUBLISH packets that went down

	mu    sync.Mutex
	conns map[net.Conn]bool
	down  bool
}

// Listen listens on a loopback address of its own where the system has more than one: on a machine that runs load tests
// the ports of 127.0.0.1 can all be taken.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	for range 10 {
		address := fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
		if l, err := net.Listen("tcp", address); err == nil {
			return l
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Broker is an in-process MQTT broker whose sockets are ours: its own listener cannot be closed without a data race.
type Broker struct {
	URL string // tcp://ADDRESS

	listener net.Listener
	server   *mqtt.Server
	group    sync.WaitGroup
	turns    sync.Mutex // see inTurn
	mu       sync.Mutex
	conns    map[net.Conn]bool
	down     bool
}

// StartBroker runs a broker until the test ends, with a hook for tests that want to see what it sees.
func StartBroker(t testing.TB, hooks ...mqtt.Hook) *Broker {
	t.Helper()
	b := NewBroker(t, Listen(t), hooks...)
	t.Cleanup(b.Kill)
	return b
}

// NewBroker serves on a listener until Kill.
func NewBroker(t testing.TB, listener net.Listener, hooks ...mqtt.Hook) *Broker {
	t.Helper()
	b := &Broker{URL: "tcp://" + listener.Addr().String(), listener: listener, conns: make(map[net.Conn]bool),
		server: mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})}
	for _, h := range append(hooks, new(auth.AllowHook), new(turns)) {
		if err := b.server.AddHook(h, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.server.Serve(); err != nil {
		t.Fatal(err)
	}
	b.group.Go(b.accept)
	return b
}

func (b *Broker) accept() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.group.Go(func() { b.establish(c) })
	}
}

func (b *Broker) establish(c net.Conn) {
	b.mu.Lock()
	if b.down {
		b.mu.Unlock()
		_ = c.Close()
		return
	}
	b.conns[c] = true
	b.mu.Unlock()
	turn := &inTurn{Conn: c, mu: &b.turns}
	_ = b.server.EstablishConnection("tcp", turn)
	turn.release()
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
	_ = c.Close()
}

// Kill cuts every connection and ends the broker; call it as often as you like.
func (b *Broker) Kill() {
	_ = b.listener.Close()
	b.mu.Lock()
	again := b.down
	b.down = true
	for c := range b.conns {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.group.Wait()
	if !again {
		_ = b.server.Close()
	}
}

// Start runs an endpoint with the named faults until the test ends.
func Start(t testing.TB, faults ...string) *Endpoint {
	t.Helper()
	broker := StartBroker(t)
	return StartBefore(t, broker.URL, faults...)
}

// StartBefore runs an endpoint in front of a broker of the test's own.
func StartBefore(t testing.TB, broker string, faults ...string) *Endpoint {
	t.Helper()
	return startOn(t, Listen(t), broker, faults...)
}

func startOn(t testing.TB, listener net.Listener, broker string, faults ...string) *Endpoint {
	t.Helper()
	e := &Endpoint{URL: "ws://" + listener.Addr().String() + "/mqtt", Broker: broker, listener: listener,
		faults: make(map[string]bool), conns: make(map[net.Conn]bool)}
	for _, f := range faults {
		e.faults[f] = true
	}
	e.group.Go(e.serve)
	t.Cleanup(e.Close)
	return e
}

// Close ends every connection and waits for everything the endpoint started.
func (e *Endpoint) Close() {
	_ = e.listener.Close()
	e.mu.Lock()
	e.down = true
	e.mu.Unlock()
	e.Sever()
	e.group.Wait()
}

// Sever cuts every connection, as a crash does; new ones are accepted.
func (e *Endpoint) Sever() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		_ = c.Close()
	}
}

func (e *Endpoint) has(fault string) bool { return e.faults[fault] }

func (e *Endpoint) serve() {
	for {
		c, err := e.listener.Accept()
		if err != nil {
			return
		}
		e.group.Go(func() { e.handle(c) })
	}
}

// track remembers a connection for Sever; it reports false when the endpoint is closing.
func (e *Endpoint) track(c net.Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.down {
		return false
	}
	e.conns[c] = true
	return true
}

func (e *Endpoint) forget(c net.Conn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, c)
	_ = c.Close()
}

func (e *Endpoint) handle(c net.Conn) {
	if !e.track(c) {
		_ = c.Close()
		return
	}
	defer e.forget(c)
	r := bufio.NewReaderSize(c, 32<<10)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	if status := e.judge(req); status != 101 {
		e.refuse(c, status)
		return
	}
	if !e.accept(c, req) {
		return
	}
	upstream, err := net.Dial("tcp", strings.TrimPrefix(e.Broker, "tcp://"))
	if err != nil || !e.track(upstream) {
		return
	}
	defer e.forget(upstream)
	s := &session{e: e, device: c, broker: upstream, frames: wire.NewReader(r, 4096, 1<<20), buffered: r}
	var down sync.WaitGroup
	down.Go(s.pumpDown)
	s.pumpUp()
	_ = upstream.Close()
	_ = c.Close()
	down.Wait()
}

// judge returns the status that the request deserves, or gets in spite of it.
func (e *Endpoint) judge(req *http.Request) int {
	offer := req.Header.Get("Sec-WebSocket-Protocol")
	switch {
	case e.has("refuse-all"):
		return 503
	case req.URL.Path != "/mqtt" && req.URL.Path != "/" && !e.has("any-path"),
		req.URL.Path == "/" && e.has("no-root"), req.URL.Path == "/mqtt" && e.has("no-mqtt-path"):
		return 404
	case !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") && !e.has("any-get"):
		return 400
	case req.Header.Get("Sec-WebSocket-Version") != "13" && !e.has("any-version"):
		return 426
	case len(req.Header.Get("Sec-WebSocket-Key")) != 24 && !e.has("any-key"):
		return 400
	case req.Header.Get("Origin") == "file://" && e.has("no-file-origin"),
		strings.HasPrefix(req.Header.Get("Origin"), "http") && e.has("no-url-origin"),
		req.Host == "localhost" && e.has("no-localhost"),
		!strings.Contains(req.Host, ":") && req.Host != "localhost" && e.has("no-bare-host"),
		strings.HasSuffix(req.Host, ":443") && e.has("no-443"):
		return 403
	case len(req.RequestURI) > 4096 && e.has("short-query"):
		return 414
	case offer == "" && !e.has("invents-subprotocol"),
		offer == "MQTT" && e.has("no-MQTT"), offer == "mqttv3.1" && e.has("no-mqttv3.1"),
		strings.Contains(offer, ",") && e.has("no-lists"),
		strings.HasPrefix(offer, "mqttv3.1,") && e.has("first-of-list-only"):
		return 400
	}
	return 101
}

func (e *Endpoint) refuse(c net.Conn, status int) {
	body := http.StatusText(status) + "\n"
	if e.has("long-errors") {
		body = strings.Repeat("sorry ", 300)
	}
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(body))
	if status == 426 {
		head += "Sec-WebSocket-Version: 13\r\n"
	}
	if !e.has("errors-keep-alive") {
		head += "Connection: close\r\n"
	}
	_, _ = io.WriteString(c, head+"\r\n"+body)
}

// accept writes the 101 and whatever is wrong with it.
func (e *Endpoint) accept(c net.Conn, req *http.Request) bool {
	key := wire.AcceptFor(req.Header.Get("Sec-WebSocket-Key"))
	echo, _, _ := strings.Cut(req.Header.Get("Sec-WebSocket-Protocol"), ",")
	lines := []string{"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"}
	switch {
	case e.has("http-1.0"):
		lines[0] = "HTTP/1.0 101 Switching Protocols"
	case e.has("odd-upgrade"):
		lines[1] = "Upgrade: WebSocket"
	case e.has("no-space"):
		lines[2] = "Connection:Upgrade"
	case e.has("empty-header"):
		lines = append(lines, "X-Empty:")
	case e.has("wrong-accept"):
		key = wire.AcceptFor("something else")
	case e.has("lower-case-echo"):
		echo = strings.ToLower(echo)
	case e.has("extension-forced"):
		lines = append(lines, "Sec-WebSocket-Extensions: permessage-deflate")
	case e.has("extension-taken") && req.Header.Get("Sec-WebSocket-Extensions") != "":
		lines = append(lines, "Sec-WebSocket-Extensions: permessage-deflate")
	case e.has("long-101"):
		lines = append(lines, "X-Long: "+strings.Repeat("x", 1100))
	case e.has("invents-subprotocol") && echo == "":
		echo = "mqtt"
	}
	lines = append(lines, "Sec-WebSocket-Accept: "+key)
	if echo != "" && !e.has("no-echo") {
		lines = append(lines, "Sec-WebSocket-Protocol: "+echo)
	}
	head := []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
	if e.has("101-in-pieces") {
		if _, err := c.Write(head[:40]); err != nil {
			return false
		}
		time.Sleep(10 * time.Millisecond) // a second segment, on purpose
		head = head[40:]
	}
	if e.has("speaks-first") {
		head = wire.AppendFrame(head, wire.Header{Fin: true, Op: wire.Ping}, []byte("hello"))
	}
	_, err := c.Write(head)
	return err == nil
}

// StartTLS is Start over TLS; pool trusts its certificate, which is for the name example.com.
func StartTLS(t testing.TB, faults ...string) (e *Endpoint, pool *x509.CertPool) {
	t.Helper()
	lender := httptest.NewTLSServer(nil) // for its certificate
	defer lender.Close()
	pool = x509.NewCertPool()
	pool.AddCert(lender.Certificate())
	listener := Listen(t)
	secure := tls.NewListener(listener, &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12})
	e = startOn(t, secure, StartBroker(t).URL, faults...)
	e.URL = "wss://" + listener.Addr().String() + "/mqtt"
	return e, pool
}

package wsio_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

const patience = 10 * time.Second // for what should come at once

const packets = "\x10\x04abcd\xc0\x00\x30\x03xyz" // three MQTT packets, as far as wsio knows or cares

// testServer is a real server on a port of its own. Devices that are let in are closed at once unless accepted says otherwise.
type testServer struct {
	network  string
	addr     string
	tls      bool
	gate     *listener.Gate
	recorder recorder
	accepted chan string // subprotocols of those who were let in
	refused  chan string // causes
}

type serverConfig struct {
	opts   handshake.Options
	limits listener.Limits
	tls    *tls.Config

	listener listener.Options // TLS is filled in
	unix     bool             // listen on a socket in the file system
}

func startServer(t testing.TB, c serverConfig) *testServer {
	t.Helper()
	s := &testServer{tls: c.tls != nil, accepted: make(chan string, 100), refused: make(chan string, 100)}
	if c.limits == (listener.Limits{}) {
		c.limits = listener.Limits{HandshakeTimeout: patience, HeaderSize: 16 << 10}
	}
	if c.opts.Accepted == nil {
		c.opts.Accepted = func(conn *frame.Conn, _ *http.Request) {
			s.accepted <- conn.Subprotocol()
			_ = conn.Close()
		}
	}
	if c.opts.Refused == nil {
		c.opts.Refused = func(_ *http.Request, why refusal.Refusal) { s.refused <- fmt.Sprint(why) }
	}
	network, address := "tcp", "127.0.0.1:0"
	if c.unix {
		network, address = "unix", filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s.network, s.addr = network, l.Addr().String()
	c.listener.TLS, c.listener.Limits = c.tls, c.limits
	s.recorder.Listener = l
	s.gate = listener.NewGate(listener.GateOptions{Handshakes: 100})
	server := listener.NewServer(handshake.NewHandler(c.opts), c.limits, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.gate.Listener(&s.recorder, c.listener)) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

// dial connects, with TLS 1.2 if the server speaks TLS: there application data has records of its own type.
func (s *testServer) dial(t testing.TB) net.Conn {
	t.Helper()
	nc, err := net.Dial(s.network, s.addr)
	if err == nil && s.tls {
		client := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		err = client.Handshake()
		nc = client
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// ask sends a request and returns all that comes until the connection ends.
func (s *testServer) ask(t testing.TB, request string) string {
	t.Helper()
	nc := s.dial(t)
	go io.Copy(nc, strings.NewReader(request)) //nolint:errcheck // the server may answer and close before it has read all
	got, err := io.ReadAll(nc)
	if err != nil && len(got) == 0 {
		t.Fatalf("no answer: %v", err)
	}
	return string(got)
}

// cause returns the cause for which the server refused last.
func (s *testServer) cause() string {
	select {
	case cause := <-s.refused:
		return cause
	case <-time.After(patience):
		return "nothing was refused"
	}
}

// let returns the subprotocol of the device let in last.
func (s *testServer) let() string {
	select {
	case name := <-s.accepted:
		return name
	case <-time.After(patience):
		return "nobody was let in"
	}
}

// recorder keeps every write of the connections that it accepts.
type recorder struct {
	net.Listener
	mu     sync.Mutex
	writes [][]byte
}

func (r *recorder) Accept() (net.Conn, error) {
	nc, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recorded{nc, r}, nil
}

func (r *recorder) take() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	writes := r.writes
	r.writes = nil
	return writes
}

type recorded struct {
	net.Conn
	r *recorder
}

func (c recorded) Write(p []byte) (int, error) {
	c.r.mu.Lock()
	c.r.writes = append(c.r.writes, slices.Clone(p))
	c.r.mu.Unlock()
	return c.Conn.Write(p)
}

const (
	requestLine = "GET /mqtt HTTP/1.1\r\n"
	sampleKey   = "dGhlIHNhbXBsZSBub25jZQ==" // the one of RFC 6455 section 1.3
	sampleReply = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	version13   = "Sec-WebSocket-Version: 13\r\n"
	offersMQTT  = "Sec-WebSocket-Protocol: mqtt\r\n"
	hostHeader  = "Host: bridge.test:8083\r\n"
	upgradeTo   = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	keyHeader   = "Sec-WebSocket-Key: " + sampleKey + "\r\n"
	goodHeaders = hostHeader + upgradeTo + keyHeader + version13 + offersMQTT
	goodRequest = requestLine + goodHeaders + "\r\n"
)

// without is the good request without one header and with others at its end.
func without(header string, instead ...string) string {
	return requestLine + strings.Replace(goodHeaders, header, "", 1) + strings.Join(instead, "") + "\r\n"
}

// accepts is the whole response that lets a device in, as it has to be on the wire.
func accepts(subprotocol string) string {
	s := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleReply + "\r\n"
	if subprotocol != "" {
		s += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	return s + "\r\n"
}

// wantAccepted asks and expects to be let in with this subprotocol, and nothing after the response.
func (s *testServer) wantAccepted(t *testing.T, request, subprotocol string) {
	t.Helper()
	if got := s.ask(t, request); got != accepts(subprotocol) {
		t.Errorf("got %q\nwant %q", got, accepts(subprotocol))
		return
	}
	if got := s.let(); got != subprotocol {
		t.Errorf("Subprotocol: %q, want %q", got, subprotocol)
	}
}

// wantRefused asks and expects this status; the response is checked as every refusal has to be (device-quirks H5, H9, H10).
func (s *testServer) wantRefused(t *testing.T, request string, status int) *http.Response {
	t.Helper()
	got := s.ask(t, request)
	r, err := answerTo(got)
	if err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	if r.StatusCode != status {
		t.Errorf("status %d, want %d: %q", r.StatusCode, status, got)
	}
	return r
}

// parseHTTP reads one response and says what is left after it.
func parseHTTP(b string) (r *http.Response, body []byte, rest string, err error) {
	buffered := bufio.NewReader(strings.NewReader(b))
	r, err = http.ReadResponse(buffered, nil)
	if err != nil {
		return nil, nil, "", err
	}
	defer r.Body.Close()
	if body, err = io.ReadAll(r.Body); err != nil {
		return nil, nil, "", err
	}
	left, _ := io.ReadAll(buffered)
	return r, bytes.TrimSpace(body), string(left), nil
}

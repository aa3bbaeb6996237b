package wsio_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
)

// onceConn is a connection whose other end has sent all it will ever send. It keeps what is written until it is closed.
type onceConn struct {
	net.Conn
	mu     sync.Mutex
	in     *bytes.Reader
	out    bytes.Buffer
	once   sync.Once
	closed chan struct{}
}

func (c *onceConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in.Read(p)
}

func (c *onceConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *onceConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *onceConn) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (c *onceConn) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (c *onceConn) SetDeadline(time.Time) error        { return nil }
func (c *onceConn) SetReadDeadline(t time.Time) error  { return nil }
func (c *onceConn) SetWriteDeadline(t time.Time) error { return nil }

// FuzzHandshake: any bytes as a request give nothing, or one small refusal, or the page, or the one right 101.
func FuzzHandshake(f *testing.F) {
	for _, request := range []string{
		goodRequest, without(offersMQTT), without(keyHeader), without(version13), without(upgradeTo), without(hostHeader),
		without("", "Origin: file://\r\n", "Sec-WebSocket-Extensions: permessage-deflate\r\n"),
		without("", "Content-Length: 3\r\n") + "abc", without("", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
		without(offersMQTT, "Sec-WebSocket-Protocol: chat,\r\n MQTT, mqttv3.1\r\n"),
		goodRequest + string(wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)), goodRequest + goodRequest,
		"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET /mqtt HTTP/1.0\r\n\r\n", "\x16\x03\x01\x00\x05hello",
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na", "GET / HTTP/1.1\r\nHost: x\r\nExpect: y\r\n\r\n",
	} {
		f.Add([]byte(request))
	}
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	keys := make(chan string, 1) // of the device that was let in
	h := handshake.NewHandler(handshake.Options{Accepted: func(c *frame.Conn, r *http.Request) {
		keys <- r.Header.Get("Sec-WebSocket-Key")
		_ = c.Close()
	}})
	server := listener.NewServer(h, listener.Limits{HandshakeTimeout: patience, HeaderSize: 4 << 10}, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(listener.NewGate(listener.GateOptions{Handshakes: 10}).Listener(l, listener.Options{}))
	}()
	f.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	f.Fuzz(func(t *testing.T, request []byte) {
		nc := &onceConn{in: bytes.NewReader(request), closed: make(chan struct{})}
		l.conns <- nc
		select {
		case <-nc.closed:
		case <-time.After(patience):
			t.Fatal("the connection stays open")
		}
		nc.mu.Lock()
		defer nc.mu.Unlock()
		select {
		case key := <-keys:
			checkAccepted(t, nc.out.String(), key)
		default:
			if err := checkResponse(nc.out.String()); err != nil {
				t.Errorf("%v: %q", err, nc.out.String())
			}
		}
	})
}

func checkAccepted(t *testing.T, got, key string) {
	begin, rest, _ := strings.Cut(accepts(""), sampleReply)
	begin += acceptOf(key) + "\r\nSec-WebSocket-Protocol: "
	name, found := strings.CutPrefix(got, begin)
	name, whole := strings.CutSuffix(name, rest)
	if !found || !whole || !strings.EqualFold(name, "mqtt") && !strings.EqualFold(name, "mqttv3.1") && !strings.EqualFold(name, "mqttv3.11") {
		t.Errorf("let in with %q", got)
	}
}

// checkResponse accepts nothing at all, an alert of TLS, the page, or a refusal.
func checkResponse(got string) error {
	if got == "" || got == "\x15\x03\x01\x00\x02\x02\x28" {
		return nil
	}
	if !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		_, err := answerTo(got)
		return err
	}
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	r, _, _, err := parseHTTP(got)
	switch {
	case err != nil && (body != "" || err != io.ErrUnexpectedEOF): // HEAD has no body
		return err
	case len(got) >= 1024:
		return fmt.Errorf("%d bytes", len(got))
	case !strings.Contains(head, "text/html") || r != nil && !r.Close:
		return fmt.Errorf("a success that is not the page")
	}
	return nil
}

// acceptOf is the accept value for a key (RFC 6455 section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

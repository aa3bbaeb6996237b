package examples

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// device is one that tries to connect.
type device struct {
	id       string // "": dev-1
	header   http.Header
	offer    string // a subprotocol beside mqtt
	tls      *tls.Config
	prelude  string // that a proxy says before it
	optional bool   // it offers no subprotocol
}

// online connects the device, expects CONNACK to accept it, and returns it.
func (s *site) online(t *testing.T, d device) *websocket.Conn {
	t.Helper()
	ws, answer, err := s.dial(t, d)
	if err != nil {
		t.Fatalf("handshake: %v, %v", err, answer)
	}
	if code := connect(t, ws, d); code != 0 {
		t.Fatalf("CONNACK has return code %d", code)
	}
	return ws
}

// refused expects a status before the upgrade; 0: none, since TLS fails.
func (s *site) refused(t *testing.T, d device, status int) {
	t.Helper()
	ws, answer, err := s.dial(t, d)
	switch {
	case err == nil:
		_ = ws.CloseNow()
		t.Errorf("device %+v is let in", d)
	case status == 0 && answer != nil || status != 0 && (answer == nil || answer.StatusCode != status):
		t.Errorf("device gets %v: %v, want status %d", answer, err, status)
	}
}

func (s *site) dial(t *testing.T, d device) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil && d.prelude != "" {
			_, err = io.WriteString(nc, d.prelude)
		}
		return nc, err
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: d.tls}
	t.Cleanup(transport.CloseIdleConnections)
	opts := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: d.header}
	if !d.optional {
		opts.Subprotocols = []string{"mqtt"}
	}
	if d.offer != "" {
		opts.Subprotocols = append(opts.Subprotocols, d.offer)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, s.url+"/mqtt", opts)
	if err == nil {
		t.Cleanup(func() { _ = ws.CloseNow() })
	}
	return ws, answer, err
}

// connect sends CONNECT of MQTT 3.1.1 and returns what CONNACK says.
func connect(t *testing.T, ws *websocket.Conn, d device) (code byte) {
	t.Helper()
	id := d.id
	if id == "" {
		id = "dev-1"
	}
	send(t, ws, "\x10"+string(rune(12+len(id)))+"\x00\x04MQTT\x04\x02\x00\x3c\x00"+string(rune(len(id)))+id)
	got := receive(t, ws)
	if len(got) != 4 || got[0] != 0x20 {
		t.Fatalf("instead of CONNACK: % x", got)
	}
	return got[3]
}

func send(t *testing.T, ws *websocket.Conn, packet string) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte(packet)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, ws *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, b, err := ws.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/coder/websocket"
)

// dialer opens connections to brokers. Safe for concurrent use.
type dialer struct {
	tls         *tls.Config // never nil; cloned for each connection
	headers     http.Header
	subprotocol string
}

// dial connects to t. The caller owns the connection.
func (d *dialer) dial(ctx context.Context, t *target) (net.Conn, error) {
	var nd net.Dialer
	switch t.scheme {
	case "tcp", "unix":
		return nd.DialContext(ctx, t.scheme, t.address)
	case "tls":
		td := tls.Dialer{NetDialer: &nd, Config: d.tlsFor(t)}
		return td.DialContext(ctx, "tcp", t.address)
	default:
		return d.dialWebSocket(ctx, t)
	}
}

func (d *dialer) tlsFor(t *target) *tls.Config {
	c := d.tls.Clone()
	if c.ServerName == "" {
		c.ServerName = t.host
	}
	return c
}

// dialWebSocket opens a WebSocket and makes a byte stream of it: each write is one binary message of whole packets.
func (d *dialer) dialWebSocket(ctx context.Context, t *target) (net.Conn, error) {
	transport := &http.Transport{TLSClientConfig: d.tlsFor(t), DisableKeepAlives: true}
	opts := websocket.DialOptions{
		HTTPClient:      &http.Client{Transport: transport, CheckRedirect: noRedirect},
		HTTPHeader:      d.headers,
		CompressionMode: websocket.CompressionDisabled,
	}
	if d.subprotocol != "" {
		opts.Subprotocols = []string{d.subprotocol}
	}
	ws, _, err := websocket.Dial(ctx, t.url, &opts)
	if err != nil {
		// net/http repeats the URL, and its query may be a token.
		if whole := new(url.Error); errors.As(err, &whole) {
			err = whole.Err
		}
		return nil, fmt.Errorf("open WebSocket: %w", err)
	}
	if !strings.EqualFold(ws.Subprotocol(), d.subprotocol) {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("broker did not agree to the subprotocol %q", d.subprotocol)
	}
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
}

// noRedirect keeps the configured headers, which may be secret, from travelling elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

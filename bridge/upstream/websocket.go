package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
)

// dialWebSocket opens a WebSocket and makes a byte stream of it: each write is one binary message of whole packets.
func (d *dialer) dialWebSocket(ctx context.Context, t *target, device *bridge.DeviceInfo) (net.Conn, error) {
	var raw net.Conn
	dial := func(ctx context.Context, network, address string) (nc net.Conn, err error) {
		raw, err = d.open(ctx, network, address, device)
		return raw, err
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: d.tlsFor(t), DisableKeepAlives: true}
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
		return nil, fmt.Errorf("open WebSocket: %w", withoutAddress(t.address, err))
	}
	if !strings.EqualFold(ws.Subprotocol(), d.subprotocol) {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("broker did not agree to the subprotocol %q", d.subprotocol)
	}
	return &wsConn{Conn: websocket.NetConn(context.Background(), ws, websocket.MessageBinary), ws: ws, raw: raw}, nil
}

// wsConn is a WebSocket whose two directions end one by one. The library's own Close would wait for the broker for seconds,
// and break off a Read under way.
type wsConn struct {
	net.Conn
	ws      *websocket.Conn
	raw     net.Conn // below TLS
	closing sync.WaitGroup
}

// CloseWrite sends a close frame and returns; Read goes on until the broker's.
func (c *wsConn) CloseWrite() error {
	c.closing.Go(func() { _ = c.ws.Close(websocket.StatusNormalClosure, "") }) // Read tells how it ends
	return nil
}

// Close closes the connection at once.
func (c *wsConn) Close() error {
	err := c.raw.Close() // first: it also ends a closing handshake that the broker leaves unanswered
	_ = c.ws.CloseNow()
	c.closing.Wait()
	return err
}

// noRedirect keeps the configured headers, which may be secret, from travelling elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

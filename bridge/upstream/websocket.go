package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/socket"
)

// maxAnswer is how much a broker may say in HTTP before it speaks MQTT, or a proxy before it lets the broker do so. Of the body of an
// answer that is no upgrade the library reads 1 KiB, and no redirect is followed.
const maxAnswer = 16 << 10

// dialWebSocket opens a WebSocket and makes a byte stream of it: each write is one binary message of whole packets.
func (d *dialer) dialWebSocket(ctx context.Context, t *target, device *bridge.DeviceInfo) (net.Conn, error) {
	var raw net.Conn
	dial := func(ctx context.Context, network, address string) (nc net.Conn, err error) {
		raw, err = d.open(ctx, network, address, device)
		return raw, err
	}
	transport := &http.Transport{
		DialContext: dial, TLSClientConfig: d.tlsFor(t), DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer,
	}
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
		return nil, fmt.Errorf("open WebSocket: %w", hint(withoutAddress(t.address, err)))
	}
	if !strings.EqualFold(ws.Subprotocol(), d.subprotocol) {
		_ = ws.CloseNow()
		return nil, fmt.Errorf("broker did not agree to the subprotocol %q", d.subprotocol)
	}
	c := &wsConn{Conn: websocket.NetConn(context.Background(), ws, websocket.MessageBinary), ws: ws, raw: raw}
	if d.pingInterval > 0 {
		c.keepPinging(d.pingInterval)
	}
	return c, nil
}

// wsConn is a WebSocket whose two directions end one by one. The library's own Close would wait for the broker for seconds,
// and break off a Read under way.
type wsConn struct {
	net.Conn
	ws      *websocket.Conn
	raw     net.Conn // below TLS
	closing sync.WaitGroup

	mu     sync.Mutex
	pings  *time.Timer // nil: none
	closed bool
}

// keepPinging sends a ping at each interval until the connection is closed. The first comes earlier by chance, so that connections that were
// opened together do not ping together.
func (c *wsConn) keepPinging(interval time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pings = time.AfterFunc(interval/2+rand.N(interval/2+1), func() { c.ping(interval) })
}

// ping sends one ping, unless bytes on their way are life enough: where they do not move, a ping would wait behind them, and the library
// closes a connection whose ping waits. Whether a pong comes is not looked at: that the broker answers is for MQTT to find out.
func (c *wsConn) ping(interval time.Duration) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closing.Add(1)
	c.mu.Unlock()
	if waiting, _ := socket.Unacknowledged(c.raw); waiting == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), pongWait)
		_ = c.ws.Ping(ctx)
		cancel()
	}
	c.closing.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.pings.Reset(interval)
	}
}

// pongWait bounds the goroutine of a ping.
const pongWait = 5 * time.Second

// Transport returns the socket. It is not to be read from: the library reads ahead.
func (c *wsConn) Transport() net.Conn { return c.raw }

// CloseWrite sends a close frame and returns; Read goes on until the broker's.
func (c *wsConn) CloseWrite() error {
	c.stopPings()
	c.closing.Go(func() { _ = c.ws.Close(websocket.StatusNormalClosure, "") }) // Read tells how it ends
	return nil
}

func (c *wsConn) stopPings() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.pings != nil {
		c.pings.Stop()
	}
}

// Close closes the connection at once.
func (c *wsConn) Close() error {
	c.stopPings()
	err := c.raw.Close() // first: it also ends a closing handshake that the broker leaves unanswered
	_ = c.ws.CloseNow()
	c.closing.Wait()
	return err
}

// noRedirect keeps the configured headers, which may be secret, from travelling elsewhere.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

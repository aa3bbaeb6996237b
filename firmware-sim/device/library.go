package device

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"

	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// library is a device that is not imitated: autopaho over coder/websocket, with their own reconnecting, keepalive and
// way of cutting frames.
type library struct {
	d  *Device
	cm *autopaho.ConnectionManager
	up chan struct{}

	mu   sync.Mutex
	conn net.Conn                // the newest, for Drop
	end  context.CancelCauseFunc // of the newest connection
	ctx  context.Context
}

// runLibrary runs the behaviour once per connection that the library makes.
func (d *Device) runLibrary(ctx context.Context) {
	l := &library{d: d, up: make(chan struct{}, 1)}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	cm, err := autopaho.NewConnection(inner, l.config())
	if err != nil {
		d.counters.failed(err)
		return
	}
	l.cm = cm
	for {
		select {
		case <-l.up:
		case <-ctx.Done():
			l.stop(cancel)
			return
		}
		l.mu.Lock()
		session, end := l.ctx, l.end
		l.mu.Unlock()
		stop := context.AfterFunc(ctx, func() { end(ctx.Err()) })
		away := time.Duration(0)
		if l.subscribe(session) == nil {
			away = d.does.Online(session, l)
		}
		stop()
		d.counters.Online.Add(-1)
		if cause := context.Cause(session); cause != nil && ctx.Err() == nil {
			d.counters.lost(cause)
			continue
		}
		if away < 0 || ctx.Err() != nil {
			l.stop(cancel)
			return
		}
		// A library that manages its own connection has no "away": it stays, and the behaviour is asked again later.
		if sleep(session, away) {
			select {
			case l.up <- struct{}{}:
				d.counters.Online.Add(1)
			default:
			}
		}
	}
}

// stop says DISCONNECT and waits for everything the library started.
func (l *library) stop(cancel context.CancelFunc) {
	ctx, done := context.WithTimeout(context.Background(), 2*time.Second)
	defer done()
	_ = l.cm.Disconnect(ctx)
	cancel()
	<-l.cm.Done()
	l.mu.Lock()
	if l.end != nil {
		l.end(errors.New("closed by the device"))
	}
	l.mu.Unlock()
}

func (l *library) config() autopaho.ClientConfig {
	d := l.d
	attempt := -1
	config := autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{d.settings.Endpoint.URL},
		KeepAlive:                     uint16(min(d.keepAlive()/time.Second, 0xFFFF)),
		CleanStartOnInitialConnection: d.settings.Clean,
		ConnectTimeout:                d.patience(),
		ConnectUsername:               d.id.Username,
		ConnectPassword:               []byte(d.id.Password),
		AttemptConnection:             l.dial,
		ConnectPacketBuilder:          limitReceive,
		ReconnectBackoff: func(int) time.Duration {
			if attempt++; attempt == 0 {
				return 0
			}
			return d.profile.Reconnect.Delay(attempt, d.rng)
		},
		OnConnectionUp:   func(*autopaho.ConnectionManager, *paho.Connack) { l.online() },
		OnConnectionDown: func() bool { l.down(errors.New("connection down")); return true },
		OnConnectError:   func(err error) { d.counters.failed(err) },
		ClientConfig: paho.ClientConfig{ClientID: d.id.ClientID, OnPublishReceived: []func(paho.PublishReceived) (bool, error){l.received},
			OnClientError: l.down, OnServerDisconnect: func(p *paho.Disconnect) { l.down(errors.New("DISCONNECT from the broker")) }},
	}
	if !d.settings.Clean {
		config.SessionExpiryInterval = d.settings.Expiry
	}
	if w := d.id.Will; w != nil {
		config.WillMessage = &paho.WillMessage{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
	}
	return config
}

// receiveMaximum keeps the library's memory small: it makes room for that many messages, 65,535 when nobody says.
const receiveMaximum = 32

func limitReceive(c *paho.Connect, _ *url.URL) (*paho.Connect, error) {
	if c.Properties == nil {
		c.Properties = new(paho.ConnectProperties)
	}
	c.Properties.ReceiveMaximum = new(uint16(receiveMaximum))
	return c, nil
}

// dial makes the WebSocket the way the profile's library would, over a connection that may be impaired.
func (l *library) dial(ctx context.Context, _ autopaho.ClientConfig, _ *url.URL) (net.Conn, error) {
	d := l.d
	d.counters.Attempts.Add(1)
	var socket net.Conn
	open := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var err error
		socket, err = d.dial(ctx)
		return socket, err
	}
	transport := &http.Transport{DialContext: open, DialTLSContext: open, DisableKeepAlives: true, ReadBufferSize: 1024, WriteBufferSize: 1024}
	header := http.Header{}
	for _, line := range d.settings.Headers {
		if name, value, ok := strings.Cut(line, ":"); ok {
			header.Add(name, strings.TrimSpace(value))
		}
	}
	target := *d.settings.Endpoint.URL
	if target.Path == "" {
		target.Path = d.profile.Request.Path
	}
	ws, answer, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport},
		HTTPHeader: header, Subprotocols: slices.Clone(d.profile.Request.Subprotocols)})
	if err != nil {
		if answer != nil && answer.StatusCode != http.StatusSwitchingProtocols {
			body, _ := io.ReadAll(answer.Body) // the library keeps the first 1,024 bytes
			err = errors.New("handshake: " + wire.Refusal(answer.Proto+" "+answer.Status, body))
		}
		return nil, err
	}
	ws.SetReadLimit(-1)
	l.mu.Lock()
	l.conn = socket
	l.mu.Unlock()
	// The library writes a packet in several calls, from several goroutines: without a lock around the whole packet a
	// PINGREQ gets into the middle of a SUBSCRIBE.
	stream := websocket.NetConn(context.WithoutCancel(ctx), ws, websocket.MessageBinary)
	return packets.NewThreadSafeConn(counted{stream, d.counters}), nil
}

// counted counts the library's MQTT bytes; its frame headers are out of sight here.
type counted struct {
	net.Conn
	counters *Counters
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.counters.BytesDown.Add(int64(n))
	return n, err
}

func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.counters.BytesUp.Add(int64(n))
	return n, err
}

func (l *library) online() {
	l.mu.Lock()
	l.ctx, l.end = context.WithCancelCause(context.Background())
	l.mu.Unlock()
	l.d.counters.online()
	select {
	case l.up <- struct{}{}:
	default:
	}
}

func (l *library) down(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil {
		l.end(err)
	}
}

func (l *library) subscribe(ctx context.Context) error {
	if len(l.d.id.Filters) == 0 {
		return nil
	}
	sub := &paho.Subscribe{}
	for _, f := range l.d.id.Filters {
		sub.Subscriptions = append(sub.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: l.d.id.FilterQoS})
	}
	_, err := l.cm.Subscribe(ctx, sub)
	return err
}

func (l *library) received(p paho.PublishReceived) (bool, error) {
	l.d.counters.Received.Add(1)
	l.d.does.Message(l, packet.Message{Topic: p.Packet.Topic, Payload: p.Packet.Payload, QoS: p.Packet.QoS,
		Retain: p.Packet.Retain, Dup: p.Packet.Duplicate()})
	return true, nil
}

// Publish implements Link. The library returns from QoS 1 and 2 only when they are acknowledged, so such a device has one
// message under way; more of them from several goroutines would lose their order.
func (l *library) Publish(ctx context.Context, m packet.Message, seq uint64) error {
	_, err := l.cm.Publish(ctx, &paho.Publish{Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain})
	if errors.Is(err, autopaho.ConnectionDownError) {
		return ErrNotTaken
	}
	l.d.counters.Published.Add(1)
	if m.QoS == 0 {
		return err
	}
	if err == nil {
		// The library resends what was under way before it says that a connection is up: an acknowledgement later on says
		// the same of all that came before.
		l.d.state.forget()
	}
	if l.d.observer == nil || seq == 0 {
		return err
	}
	if err == nil {
		l.d.observer.Acked(l.d.id.Index, seq)
		return nil
	}
	// The library's session may repeat it on the next connection.
	l.d.observer.Resent(l.d.id.Index, seq)
	if !l.d.settings.Clean {
		l.d.state.hold(seq)
	}
	return err
}

// Settle implements Link; Publish leaves nothing under way.
func (l *library) Settle(context.Context, time.Duration) {}

// Drop implements Link.
func (l *library) Drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		impair.Cut(l.conn)
	}
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/packets"

	"mqtt-ws-bridge/bridge"
)

// Embedded is a broker in this process, for trying things out: it takes every device and keeps nothing when it ends. It
// implements [bridge.Upstream].
type Embedded struct {
	server   *mqtt.Server
	listener net.Listener // nil without
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // the broker's ends; nil after Close
}

// EmbeddedName is the embedded broker's name in logs.
const EmbeddedName = "embedded"

// NewEmbedded starts the broker. Unless address is empty it lets ordinary MQTT tools in there as well, over TCP; that
// failing is not fatal: the broker is returned with the error in listenErr.
func NewEmbedded(address string) (e *Embedded, listenErr, err error) {
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(server.AddHook(new(auth.AllowHook), nil), server.AddHook(new(wideWindow), nil)); err != nil {
		return nil, nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	e = &Embedded{server: server, conns: make(map[net.Conn]struct{})}
	if address == "" {
		return e, nil, nil
	}
	if e.listener, listenErr = net.Listen("tcp", address); listenErr == nil {
		e.wg.Go(e.accept)
	}
	return e, listenErr, nil
}

// wideWindow leaves out the count of a window that the device has as wide as the broker's own limit, which is counted anyway. A
// message for a device whose window is counted can stop mochi-mqtt 2.7.9 for good: it takes a read lock twice
// (Inflight.NextImmediate, GetAll), and a writer may come in between.
type wideWindow struct{ mqtt.HookBase }

// ID names the hook.
func (*wideWindow) ID() string { return "wide-window" }

// Provides names what the hook listens to.
func (*wideWindow) Provides(b byte) bool { return b == mqtt.OnSessionEstablish }

// OnSessionEstablish is called when CONNECT was read.
func (*wideWindow) OnSessionEstablish(client *mqtt.Client, _ packets.Packet) {
	if client.Properties.Props.ReceiveMaximum >= mqtt.NewDefaultServerCapabilities().MaximumInflight {
		client.State.Inflight.ResetSendQuota(0)
	}
}

// accept takes tools in until the listener is closed. The library's own listener would be waited for as long as somebody is
// connected who says nothing.
func (e *Embedded) accept() {
	for {
		nc, err := e.listener.Accept()
		switch {
		case err == nil:
			_ = e.take(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default: // no descriptor left, most likely
			time.Sleep(acceptPause)
		}
	}
}

const acceptPause = 100 * time.Millisecond

// Addr is where ordinary MQTT tools reach it, nil if nowhere.
func (e *Embedded) Addr() net.Addr {
	if e.listener == nil {
		return nil
	}
	return e.listener.Addr()
}

// Ready is always true.
func (e *Embedded) Ready() bool { return true }

// Dial connects a device to the broker within the process.
func (e *Embedded) Dial(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
	ours, theirs := net.Pipe()
	if err := e.take(theirs); err != nil {
		return bridge.Broker{}, err
	}
	return bridge.Broker{Conn: ours, Name: EmbeddedName, Outcome: bridge.NewOutcome(nil)}, nil
}

// take serves a connection, which it closes in the end.
func (e *Embedded) take(nc net.Conn) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conns == nil {
		nc.Close()
		return net.ErrClosed
	}
	e.conns[nc] = struct{}{}
	e.wg.Go(func() { e.serve(nc) })
	return nil
}

// serve is a connection's goroutine in the broker. It closes the connection.
func (e *Embedded) serve(nc net.Conn) {
	_ = e.server.EstablishConnection(EmbeddedName, nc) // the session sees the end of its connection
	nc.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.conns, nc)
}

// Close closes all connections, waits for them to end, and stops the broker.
func (e *Embedded) Close() error {
	if e.listener != nil {
		e.listener.Close()
	}
	e.mu.Lock()
	for nc := range e.conns {
		nc.Close()
	}
	e.conns = nil
	e.mu.Unlock()
	e.wg.Wait()
	return e.server.Close()
}

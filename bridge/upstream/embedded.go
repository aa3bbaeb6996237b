package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"mqtt-ws-bridge/bridge"
)

// Embedded is a broker in this process, for trying things out: it takes every device and keeps nothing when it ends. It
// implements [bridge.Upstream].
type Embedded struct {
	server *mqtt.Server
	wg     sync.WaitGroup
}

// EmbeddedName is the embedded broker's name in logs.
const EmbeddedName = "embedded"

// NewEmbedded starts the broker. Unless address is empty it lets ordinary MQTT tools in there as well, over TCP; that
// failing is not fatal: the broker is returned with the error in listenErr.
func NewEmbedded(address string) (e *Embedded, listenErr, err error) {
	server := mqtt.New(&mqtt.Options{Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		return nil, nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	if address != "" {
		l := listeners.NewTCP(listeners.Config{ID: "tcp", Type: listeners.TypeTCP, Address: address})
		listenErr = server.AddListener(l)
	}
	if err := server.Serve(); err != nil {
		return nil, nil, fmt.Errorf("start the embedded broker: %w", err)
	}
	return &Embedded{server: server}, listenErr, nil
}

// Ready is always true.
func (e *Embedded) Ready() bool { return true }

// Dial connects a device to the broker within the process.
func (e *Embedded) Dial(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
	ours, theirs := net.Pipe()
	e.wg.Go(func() {
		defer theirs.Close()
		_ = e.server.EstablishConnection(EmbeddedName, theirs) // the session sees the end of its connection
	})
	return bridge.Broker{Conn: ours, Name: EmbeddedName}, nil
}

// Outcome learns nothing.
func (e *Embedded) Outcome(string, bool) {}

// Close stops the broker and waits for its connections to end.
func (e *Embedded) Close() error {
	err := e.server.Close()
	e.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

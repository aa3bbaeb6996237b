package fleet

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// witnessProfile is a client without peculiarities.
var witnessProfile = profile.Profile{
	Name: "witness", Engine: profile.Raw, MQTT: packet.V5, KeepAlive: 30 * time.Second, PingAt: 0.5,
	Request:   profile.Request{Subprotocols: []string{"mqtt"}, Path: "/mqtt"},
	Closing:   profile.Closing{Payload: []byte{3, 0xE8}},
	Reconnect: profile.Backoff{First: 100 * time.Millisecond},
}

// witness receives everything the fleet sends and books it. It is a device like any other, with a session that
// survives its connections.
type witness struct {
	prefix   string
	codec    *payload.Codec
	ledger   *verify.Ledger
	indices  map[string]int
	devices  []*telemetry
	gate     *gate
	commands *commander // nil for none
	first    chan struct{}
	once     atomic.Bool
	births   atomic.Int64
	wills    atomic.Int64
}

func (w *witness) filters() []string {
	return []string{w.prefix + "/+/data", w.prefix + "/+/answer", w.prefix + "/+/state"}
}

// Online implements device.Behaviour: the gate stands open as long as the witness listens.
func (w *witness) Online(ctx context.Context, link device.Link) time.Duration {
	w.gate.set(true)
	defer w.gate.set(false)
	if !w.once.Swap(true) {
		close(w.first)
	}
	if w.commands != nil {
		w.commands.run(ctx, link)
	}
	<-ctx.Done()
	return 0
}

// Message implements device.Behaviour.
func (w *witness) Message(_ device.Link, m packet.Message) {
	kind := m.Topic[strings.LastIndexByte(m.Topic, '/')+1:]
	switch kind {
	case "answer":
		if w.commands != nil {
			w.commands.answered(m.Payload)
		}
	case "state":
		// What the broker had kept from an earlier run says nothing about this one.
		if !m.Retain {
			w.state(m.Payload)
		}
	case "data":
		marker, err := w.codec.Decode(m.Payload)
		index, known := w.indices[marker.Device]
		if err != nil || !known {
			w.ledger.Foreign()
			return
		}
		w.ledger.Received(index, marker.Seq, m.QoS, m.Dup, time.Unix(0, marker.Time), time.Now())
	}
}

func (w *witness) state(body []byte) {
	var s State
	if len(body) == 0 || json.Unmarshal(body, &s) != nil {
		return
	}
	i, known := w.indices[s.Device]
	if !known {
		return
	}
	d := w.devices[i]
	switch s.State {
	case "online":
		w.births.Add(1)
		d.born.Store(true)
		select {
		case d.hello <- struct{}{}:
		default:
		}
	case "lost":
		w.wills.Add(1)
		d.wills.Add(1)
	}
}

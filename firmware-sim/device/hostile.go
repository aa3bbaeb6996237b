package device

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// offence is one way of misbehaving; the endpoint must refuse the handshake or close without a CONNACK.
type offence struct {
	name      string
	noOffer   bool
	afterward func(connect []byte) []byte // what is sent after the 101
}

var offences = []offence{
	{name: "no subprotocol", noOffer: true, afterward: func(c []byte) []byte {
		return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary, Masked: true, Mask: [4]byte{1, 2, 3, 4}}, c)
	}},
	{name: "unmasked data", afterward: func(c []byte) []byte {
		return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary}, c)
	}},
	{name: "text frame", afterward: func(c []byte) []byte {
		return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Text, Masked: true, Mask: [4]byte{1, 2, 3, 4}}, c)
	}},
	{name: "oversized frame", afterward: func(c []byte) []byte {
		h := wire.AppendHeader(nil, wire.Header{Fin: true, Op: wire.Binary, Masked: true, Length: math.MaxInt64})
		return append(h, c...)
	}},
}

// runHostile commits one offence after the other until ctx ends.
func (d *Device) runHostile(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		o := offences[n%len(offences)]
		d.counters.Attempts.Add(1)
		switch refused, err := d.offend(ctx, o); {
		case ctx.Err() != nil:
			return
		case err != nil:
			d.counters.failed(err)
		case refused:
			d.counters.Refused.Add(1)
		default:
			d.counters.Fault(profile.Problem{Fault: profile.HostileServed, Seen: o.name + " was answered with CONNACK or not closed"})
		}
		if !sleep(ctx, d.profile.Reconnect.Delay(n, d.rng)) {
			return
		}
	}
}

// offend reports whether the offence was refused.
func (d *Device) offend(ctx context.Context, o offence) (refused bool, err error) {
	if !d.settings.Endpoint.WebSocket() {
		return false, errors.New("the hostile profile needs a ws:// or wss:// URL")
	}
	conn, err := d.dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(d.settings.timeout()))

	form := d.profile.Request
	if o.noOffer {
		form.Subprotocols = nil
	}
	req := form.Build(d.settings.Endpoint, d.rng, d.settings.Headers...)
	if _, err := conn.Write(req.Append(nil)); err != nil {
		return false, err
	}
	resp, err := wire.ReadResponse(conn, 64<<10)
	if err != nil {
		return false, fmt.Errorf("hostile handshake: %w", err)
	}
	if resp.Status != 101 {
		return true, nil
	}
	connect := d.version().Connect(packet.Connect{ClientID: d.id.ClientID, Username: d.id.Username,
		Password: []byte(d.id.Password), Clean: true, KeepAlive: 60})
	if _, err := conn.Write(o.afterward(connect)); err != nil {
		return true, nil
	}
	return closedWithoutService(conn), nil
}

// closedWithoutService reads until the peer closes. A CONNACK, or no close before the deadline, is service.
func closedWithoutService(conn net.Conn) bool {
	frames := wire.NewReader(conn, readBuffer, 64<<10)
	for {
		f, err := frames.Next(nil)
		if err != nil {
			var timeout net.Error
			return !(errors.As(err, &timeout) && timeout.Timeout())
		}
		if f.Op == wire.Close {
			return true
		}
		if f.Op <= wire.Binary && len(f.Payload) > 3 && f.Payload[0]>>4 == packet.CONNACK && f.Payload[3] == 0 {
			return false
		}
	}
}

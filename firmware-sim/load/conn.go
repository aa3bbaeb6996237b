package load

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// conn is one device's connection with its counters; it belongs to one goroutine at a time.
type conn struct {
	net.Conn
	ws      bool
	index   int
	topic   string
	rng     *rand.Rand
	scan    scanner
	buf     []byte
	sent    int64
	bytesUp int64
	flushed bool
}

// connectAll opens n devices, Dialing at a time, and returns those that came online.
func (r *runner) connectAll(ctx context.Context, e *wire.Endpoint, n, first int) []*conn {
	all := make([]*conn, n)
	slots := make(chan struct{}, max(1, r.config.Dialing))
	var group sync.WaitGroup
	for i := range all {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-slots }()
			var err error
			if all[i], err = r.connect(ctx, e, first+i); err != nil {
				r.failed(err)
			}
		})
	}
	group.Wait()
	online := all[:0]
	for _, d := range all {
		if d != nil {
			online = append(online, d)
		}
	}
	return online
}

// connect does handshake and CONNECT.
func (r *runner) connect(ctx context.Context, e *wire.Endpoint, index int) (*conn, error) {
	socket, err := e.Dial(ctx, index)
	if err != nil {
		return nil, err
	}
	d := &conn{Conn: socket, ws: e.WebSocket(), index: index, rng: rand.New(rand.NewPCG(r.config.Seed, uint64(index)))}
	d.scan.ws = d.ws
	d.topic = fmt.Sprintf("%s/%d", r.config.Topic, index)
	if err := r.greet(d, e); err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("connect: %w", err)
	}
	return d, nil
}

func (r *runner) greet(d *conn, e *wire.Endpoint) error {
	_ = d.SetDeadline(time.Now().Add(r.config.Timeout))
	defer func() { _ = d.SetDeadline(time.Time{}) }()
	if d.ws {
		form := profile.Request{Subprotocols: []string{"mqtt"}, Path: "/mqtt"}
		if _, err := d.Write(form.Build(e, d.rng, r.config.Headers...).Append(nil)); err != nil {
			return err
		}
		resp, err := wire.ReadResponse(d.Conn, 16<<10)
		if err != nil {
			return err
		}
		if resp.Status != 101 {
			return fmt.Errorf("handshake: %s", resp.Refusal(d.Conn))
		}
		if err := d.scan.feed(resp.After); err != nil {
			return err
		}
	}
	id, username, password := r.config.IDs.Name(d.index, r.config.Seed)
	connect := packet.V311.Connect(packet.Connect{ClientID: id, Username: username, Password: []byte(password), Clean: true})
	if _, err := d.Write(d.frame(nil, connect)); err != nil {
		return err
	}
	return d.until(func() bool { return d.scan.counts[packet.CONNACK] > 0 })
}

// frame appends one packet as the endpoint's scheme wants it: a masked frame, or bare.
func (d *conn) frame(b, p []byte) []byte {
	if !d.ws {
		return append(b, p...)
	}
	h := wire.Header{Fin: true, Op: wire.Binary, Masked: true}
	for i := range h.Mask {
		h.Mask[i] = byte(1 + d.rng.IntN(255))
	}
	return wire.AppendFrame(b, h, p)
}

// read takes one read's worth and counts it; pings are answered.
func (d *conn) read() error {
	if d.buf == nil {
		d.buf = make([]byte, 64<<10)
	}
	n, err := d.Read(d.buf)
	if n > 0 {
		if err := d.scan.feed(d.buf[:n]); err != nil {
			return err
		}
		if pong := d.scan.pong; pong != nil {
			d.scan.pong = nil
			h := wire.Header{Fin: true, Op: wire.Pong, Masked: true}
			if _, err := d.Write(wire.AppendFrame(nil, h, pong)); err != nil {
				return err
			}
		}
	}
	return err
}

func (d *conn) until(done func() bool) error {
	if d.buf == nil {
		// A small one: an idle device never needs another.
		d.buf = make([]byte, 512)
		defer func() { d.buf = nil }()
	}
	for !done() {
		if err := d.read(); err != nil {
			return err
		}
	}
	if d.scan.refused {
		return fmt.Errorf("CONNECT or SUBSCRIBE refused")
	}
	return nil
}

// subscribeAll subscribes where the mode receives.
func (r *runner) subscribeAll() {
	if r.config.Mode != Down && r.config.Mode != RTT {
		return
	}
	for _, d := range r.devices {
		topic := d.topic
		if r.config.Mode == Down {
			topic = r.config.Topic + "/flood"
		}
		_ = d.SetDeadline(time.Now().Add(r.config.Timeout))
		if _, err := d.Write(d.frame(nil, packet.V311.Subscribe(1, 0, topic))); err != nil {
			r.failed(fmt.Errorf("subscribe: %w", err))
			continue
		}
		if err := d.until(func() bool { return d.scan.counts[packet.SUBACK] > 0 }); err != nil {
			r.failed(fmt.Errorf("subscribe: %w", err))
		}
		_ = d.SetDeadline(time.Time{})
	}
}

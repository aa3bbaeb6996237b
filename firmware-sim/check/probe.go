package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// probe is one assertion's hands: it opens connections and closes them all at the end.
type probe struct {
	ctx    context.Context
	config *Config
	n      int
	rng    *rand.Rand
	open   []net.Conn
	stops  []func() bool
	peers  int
}

func newProbe(ctx context.Context, c *Config, n int) *probe {
	return &probe{ctx: ctx, config: c, n: n, rng: rand.New(rand.NewPCG(c.Seed, uint64(n)))}
}

func (p *probe) close() {
	for _, stop := range p.stops {
		stop()
	}
	for _, c := range p.open {
		_ = c.Close()
	}
}

// plain is the request of a client without peculiarities.
func plain() profile.Request {
	return profile.Request{Subprotocols: []string{"mqtt"}, Path: "/mqtt"}
}

// dial opens a connection that is closed with the probe.
func (p *probe) dial() (net.Conn, error) {
	conn, err := p.config.Endpoint.Dial(p.ctx, p.n)
	if err != nil {
		return nil, err
	}
	p.open = append(p.open, conn)
	p.stops = append(p.stops, context.AfterFunc(p.ctx, func() { _ = conn.Close() }))
	return conn, nil
}

// ask sends an upgrade request and returns the answer, whatever it is.
func (p *probe) ask(req wire.Request) (net.Conn, *wire.Response, error) {
	conn, err := p.dial()
	if err != nil {
		return nil, nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(p.config.Step))
	if _, err := conn.Write(req.Append(nil)); err != nil {
		return nil, nil, err
	}
	resp, err := wire.ReadResponse(conn, 64<<10)
	if err != nil {
		return nil, nil, fmt.Errorf("handshake: %w", tidy(err))
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, resp, nil
}

func (p *probe) build(form profile.Request, extra ...string) wire.Request {
	return form.Build(p.config.Endpoint, p.rng, append(p.config.Headers[:len(p.config.Headers):len(p.config.Headers)], extra...)...)
}

// shake asks with a form and fails unless the answer is 101.
func (p *probe) shake(form profile.Request) (*wire.Response, wire.Request, error) {
	req := p.build(form)
	conn, resp, err := p.ask(req)
	if err == nil && resp.Status != 101 {
		err = errors.New(resp.Refusal(conn))
	}
	return resp, req, err
}

// peer is an open WebSocket with everything that was seen on it.
type peer struct {
	p       *probe
	conn    *recorder
	frames  *wire.Reader
	version packet.Version
	name    string
	pending []byte
	log     []wire.Header // of every frame received
	sizes   []int         // packets begun and ended in the frame at the same index; -1 for a frame that is not whole packets
	left    bool          // a CLOSE was sent: nothing may follow it
	control bool          // the caller wants to see pings and pongs itself
}

// recorder remembers where reads ended.
type recorder struct {
	net.Conn
	chunks []int
	bytes  []byte
}

const maxRecorded = 1 << 20

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	if n > 0 && len(r.bytes) < maxRecorded {
		r.bytes = append(r.bytes, b[:n]...)
		r.chunks = append(r.chunks, len(r.bytes))
	}
	return n, err
}

// upgrade opens a WebSocket without speaking MQTT on it yet.
func (p *probe) upgrade() (*peer, error) {
	conn, resp, err := p.ask(p.build(plain()))
	if err != nil {
		return nil, err
	}
	if resp.Status != 101 {
		return nil, fmt.Errorf("handshake: %s", resp.Refusal(conn))
	}
	if len(resp.After) > 0 {
		return nil, fmt.Errorf("%d B came with the 101", len(resp.After))
	}
	p.peers++
	r := &recorder{Conn: conn}
	name := fmt.Sprintf("%s-%d-%d", p.config.Prefix, p.n, p.peers)
	return &peer{p: p, conn: r, frames: wire.NewReader(r, 64<<10, 4<<20), version: packet.V311, name: name}, nil
}

// connected opens a WebSocket and an MQTT session on it.
func (p *probe) connected() (*peer, error) {
	w, err := p.upgrade()
	if err != nil {
		return nil, err
	}
	return w, w.login(nil)
}

func (w *peer) connectPacket(will *packet.Message) []byte {
	return w.version.Connect(packet.Connect{ClientID: w.name, Username: w.p.config.Username,
		Password: []byte(w.p.config.Password), Clean: true, KeepAlive: 60, Will: will})
}

func (w *peer) login(will *packet.Message) error {
	if err := w.send(w.connectPacket(will)); err != nil {
		return err
	}
	return w.connack()
}

func (w *peer) connack() error {
	ack, err := w.await(packet.CONNACK)
	if err == nil && ack.Code != 0 {
		err = fmt.Errorf("CONNACK with code %s", packet.ConnackText(ack.Code))
	}
	return err
}

// frame makes one masked frame.
func (w *peer) frame(fin bool, op wire.Opcode, payload []byte) []byte {
	h := wire.Header{Fin: fin, Op: op, Masked: true}
	for i := range h.Mask {
		h.Mask[i] = byte(1 + w.p.rng.IntN(255))
	}
	return wire.AppendFrame(nil, h, payload)
}

// send writes each packet as one frame.
func (w *peer) send(packets ...[]byte) error {
	var all []byte
	for _, b := range packets {
		all = append(all, w.frame(true, wire.Binary, b)...)
	}
	return w.raw(all)
}

func (w *peer) raw(b []byte) error {
	_ = w.conn.SetWriteDeadline(time.Now().Add(w.p.config.Step))
	_, err := w.conn.Write(b)
	return tidy(err)
}

// next returns the next frame; pings are answered unless the caller asked to see them.
func (w *peer) next(patience time.Duration) (wire.Frame, error) {
	_ = w.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		f, err := w.frames.Next(nil)
		if err != nil {
			return f, tidy(err)
		}
		w.log = append(w.log, f.Header)
		w.sizes = append(w.sizes, wholePackets(f.Payload))
		if f.Op == wire.Ping && !w.control {
			if err := w.raw(w.frame(true, wire.Pong, f.Payload)); err != nil {
				return f, err
			}
			continue
		}
		return f, nil
	}
}

// wholePackets counts the packets in a frame, -1 when it does not hold whole ones.
func wholePackets(b []byte) int {
	count := 0
	for len(b) > 0 {
		n, err := packet.Size(b)
		if err != nil || n == 0 || n > len(b) {
			return -1
		}
		b = b[n:]
		count++
	}
	return count
}

// packet returns the next MQTT packet, whatever frames it comes in.
func (w *peer) packet(patience time.Duration) (packet.Packet, error) {
	for {
		if n, err := packet.Size(w.pending); err != nil {
			return packet.Packet{}, err
		} else if n > 0 && n <= len(w.pending) {
			raw := w.pending[:n]
			w.pending = w.pending[n:]
			return w.version.Decode(raw)
		}
		f, err := w.next(patience)
		if err != nil {
			return packet.Packet{}, err
		}
		switch {
		case f.Op == wire.Close:
			return packet.Packet{}, fmt.Errorf("closed with %s", closeText(f.Payload))
		case !f.Op.Control():
			w.pending = append(w.pending, f.Payload...)
		}
	}
}

// await skips to the next packet of a kind.
func (w *peer) await(kind byte) (packet.Packet, error) {
	for {
		got, err := w.packet(w.p.config.Step)
		if err != nil {
			return got, fmt.Errorf("waiting for packet type %d: %w", kind, err)
		}
		if got.Type == kind {
			return got, nil
		}
	}
}

// subscribe subscribes to the peer's own topic and returns its name.
func (w *peer) subscribe() (string, error) {
	topic := w.name + "/t"
	if err := w.send(w.version.Subscribe(1, 0, topic)); err != nil {
		return "", err
	}
	ack, err := w.await(packet.SUBACK)
	if err == nil && (len(ack.Codes) != 1 || ack.Codes[0] > 2) {
		err = fmt.Errorf("SUBACK refused %v", ack.Codes)
	}
	return topic, err
}

// closure waits until the endpoint ends the connection and says how; served reports that it answered with a CONNACK of
// success first, and still that it did not end at all.
func (w *peer) closure() (how string, served, still bool) {
	for {
		_ = w.conn.SetReadDeadline(time.Now().Add(w.p.config.Step))
		f, err := w.frames.Next(nil)
		switch {
		case err != nil && timedOut(err):
			return how + "still open", served, true
		case err != nil:
			return how + tidy(err).Error(), served, false
		case f.Op == wire.Close:
			how += "CLOSE " + closeText(f.Payload) + ", "
			if !w.left {
				_ = w.raw(w.frame(true, wire.Close, f.Payload)) // a peer that waits for the answer shall have it
			}
		case !f.Op.Control() && len(f.Payload) >= 4 && f.Payload[0]>>4 == packet.CONNACK && f.Payload[3] == 0:
			served = true
			how += "CONNACK, "
		default:
			how += f.Header.String() + ", "
		}
		if len(how) > 200 {
			return how, served, true
		}
	}
}

func closeText(payload []byte) string {
	if len(payload) < 2 {
		return "without a code"
	}
	text := fmt.Sprint(int(payload[0])<<8 | int(payload[1]))
	if len(payload) > 2 {
		text += fmt.Sprintf(" %q", payload[2:])
	}
	return text
}

func timedOut(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// tidy puts the ends of a connection into words without addresses.
func tidy(err error) error {
	switch {
	case err == nil:
		return nil
	case timedOut(err):
		return errors.New("no answer")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("TCP closed")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("TCP reset")
	}
	return errors.New(strings.ReplaceAll(err.Error(), "\n", ", "))
}

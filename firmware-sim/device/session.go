package device

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// session is one connection of a raw device, from the handshake to the farewell.
type session struct {
	// set once
	d    *Device
	conn net.Conn
	ws   bool
	ctx  context.Context // ends with the connection, its cause being what ended it
	end  context.CancelCauseFunc

	acks    chan packet.Packet // CONNACK and SUBACK on their way to open
	reading chan struct{}      // closed when the reader has ended

	// guarded by writeMu
	writeMu sync.Mutex
	masks   *rand.Rand

	// owned by the reader
	frames   *wire.Reader
	partial  []byte
	started  bool // the reader runs
	timers   []*time.Timer
	awaiting atomic.Bool // a PINGREQ without answer
	quiet    atomic.Bool // a doze: no pings
}

var bursts = sync.Pool{New: func() any { return new(profile.Burst) }}

func newSession(d *Device, conn net.Conn) *session {
	return &session{d: d, conn: conn, ws: d.settings.Endpoint.WebSocket(),
		masks: rand.New(rand.NewPCG(d.rng.Uint64(), 3)), acks: make(chan packet.Packet, 2), reading: make(chan struct{})}
}

// open does the handshake, CONNECT and the subscriptions. The session's context is a child of ctx.
func (s *session) open(ctx context.Context) error {
	s.ctx, s.end = context.WithCancelCause(ctx)
	limit := time.AfterFunc(s.d.patience(), func() { s.end(errTimeout); _ = s.conn.Close() })
	defer limit.Stop()
	stop := context.AfterFunc(ctx, func() { _ = s.conn.Close() })
	defer stop()
	if s.ws {
		if err := s.upgrade(); err != nil {
			return s.why(err)
		}
	}
	s.frames = wire.NewReader(s.conn, readBuffer, uint64(s.d.settings.maxPacket())+16)
	if s.d.profile.Receiver.MidFrame > 0 {
		s.frames.MidFrame, s.frames.Conn = s.d.profile.Receiver.MidFrame, s.conn
	}
	s.started = true
	go s.read()
	return s.why(s.greet())
}

// readBuffer is small: most devices receive little, and ten thousand of them share a machine.
const readBuffer = 256

var errTimeout = errors.New("timeout")

// why prefers the reason the context ended for over the error that followed from it. What became of CONNECT says more than that.
func (s *session) why(err error) error {
	var r refused
	var u errUnanswered
	if err != nil && !errors.As(err, &r) && !errors.As(err, &u) {
		if cause := context.Cause(s.ctx); cause != nil {
			return cause
		}
	}
	return err
}

func (s *session) upgrade() error {
	d := s.d
	req := d.profile.Request.Build(d.settings.Endpoint, s.masks, d.settings.Headers...)
	if _, err := s.conn.Write(req.Append(nil)); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	resp, err := wire.ReadResponse(s.conn, d.profile.Response.HeadLimit())
	if errors.Is(err, wire.ErrHeadTooLarge) {
		d.counters.Fault(profile.Problem{Fault: profile.HeadTooLarge, Seen: fmt.Sprintf("more than %d B", d.profile.Response.HeadLimit())})
	}
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	problems := d.profile.Response.Verify(req, d.profile.Request.Subprotocols, d.profile.Request.Extensions, resp)
	if resp.Status != 101 {
		return fmt.Errorf("handshake: %s", resp.Refusal(s.conn))
	}
	for _, p := range problems {
		d.counters.Fault(p)
	}
	if len(problems) > 0 {
		return fmt.Errorf("handshake: %w", problems[0])
	}
	if len(resp.After) > 0 {
		s.conn = &prefixed{Conn: s.conn, rest: resp.After}
	}
	return nil
}

// prefixed gives back bytes that were read together with the response head.
type prefixed struct {
	net.Conn
	rest []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.rest) > 0 {
		n := copy(b, p.rest)
		p.rest = p.rest[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// NetConn lets impair.Cut reach the socket.
func (p *prefixed) NetConn() net.Conn { return p.Conn }

// greet sends CONNECT, waits for CONNACK, brings the session state up to date and subscribes.
func (s *session) greet() error {
	d := s.d
	v := d.version()
	c := packet.Connect{ClientID: d.id.ClientID, Username: d.id.Username, Password: []byte(d.id.Password),
		Clean: d.settings.Clean, KeepAlive: uint16(min(d.keepAlive()/time.Second, 0xFFFF)), Will: d.id.Will}
	if !c.Clean {
		c.SessionExpiry = d.settings.Expiry
	}
	c.ReceiveMaximum = d.settings.Receive
	if err := s.send(v.Connect(c)); err != nil {
		return err
	}
	ack, err := s.await(packet.CONNACK)
	if err != nil {
		return err
	}
	if ack.Code != 0 {
		return refused{ack.Code, ack.Reason}
	}
	s.startTimers()
	// MQTT 3.1 has no such flag: the device believes in its session, and sends again what was under way.
	if !ack.SessionPresent && (v != packet.V31 || d.settings.Clean) {
		d.state.forget()
	}
	d.state.limit(d.settings.inflight(), int(ack.ReceiveMaximum))
	if len(d.id.Filters) > 0 && !ack.SessionPresent {
		if err := s.send(v.Subscribe(d.state.subscribeID(), d.id.FilterQoS, d.id.Filters...)); err != nil {
			return err
		}
		ack, err := s.await(packet.SUBACK)
		if err != nil {
			return err
		}
		for _, code := range ack.Codes {
			if code >= 0x80 {
				return fmt.Errorf("SUBACK refused with code %d", code)
			}
		}
	}
	return s.resend()
}

func (s *session) await(kind byte) (packet.Packet, error) {
	for {
		select {
		case p := <-s.acks:
			if p.Type == kind {
				return p, nil
			}
		case <-s.ctx.Done():
			select {
			case p := <-s.acks: // the connection ended right behind it
				if p.Type == kind {
					return p, nil
				}
			default:
			}
			cause := context.Cause(s.ctx)
			switch {
			case kind != packet.CONNACK:
				return packet.Packet{}, fmt.Errorf("waiting for SUBACK: %w", cause)
			case errors.Is(cause, errTimeout), errors.Is(cause, context.Canceled):
				return packet.Packet{}, fmt.Errorf("waiting for CONNACK: %w", cause)
			}
			return packet.Packet{}, errUnanswered{cause}
		}
	}
}

// resend repeats what was under way when the last connection ended (MQTT-4.4.0-1).
func (s *session) resend() error {
	for _, p := range s.d.state.unfinished() {
		raw := packet.Ack(packet.PUBREL, p.message.ID)
		if !p.released {
			p.message.Dup = true
			raw = s.d.version().Publish(p.message)
			if s.d.observer != nil && p.seq != 0 {
				s.d.observer.Resent(s.d.id.Index, p.seq)
			}
		}
		if err := s.send(raw); err != nil {
			return err
		}
	}
	return nil
}

// Publish implements Link.
func (s *session) Publish(ctx context.Context, m packet.Message, seq uint64) error {
	if s.ctx.Err() != nil {
		return ErrNotTaken
	}
	if m.QoS > 0 && !s.d.state.add(ctx, &m, seq) {
		return ErrNotTaken
	}
	s.d.counters.Published.Add(1)
	return s.send(s.d.version().Publish(m))
}

// Settle implements Link.
func (s *session) Settle(ctx context.Context, quiet time.Duration) { s.d.state.settle(ctx, quiet) }

// Drop implements Link.
func (s *session) Drop() {
	s.end(errors.New("dropped by the device"))
	impair.Cut(s.conn)
}

// send writes whole packets, cut into frames and writes as the profile has it.
func (s *session) send(packets ...[]byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.d.settings.timeout()))
	if !s.ws {
		for _, p := range packets {
			if err := s.write(p); err != nil {
				return err
			}
		}
		return nil
	}
	burst := bursts.Get().(*profile.Burst)
	defer func() { burst.Reset(); bursts.Put(burst) }()
	s.d.profile.Uplink.Encode(burst, s.masks, packets...)
	for b := range burst.Writes {
		if err := s.write(b); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) write(b []byte) error {
	if s.d.settings.Trace != nil {
		s.d.settings.Trace(s.d.id.ClientID, fmt.Sprintf("up   %x", b))
	}
	n, err := s.conn.Write(b)
	s.d.counters.BytesUp.Add(int64(n))
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// control writes a control frame; masked as the profile has it.
func (s *session) control(op wire.Opcode, payload []byte, masked bool) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_ = s.conn.SetWriteDeadline(time.Now().Add(s.d.settings.timeout()))
	h := wire.Header{Fin: true, Op: op, Masked: masked}
	for i := range h.Mask {
		h.Mask[i] = byte(s.masks.IntN(255))
	}
	return s.write(wire.AppendFrame(nil, h, payload))
}

// leave says goodbye: DISCONNECT, then whatever the library does to the WebSocket.
func (s *session) leave() {
	_ = s.send(packet.Disconnect())
	if c := s.d.profile.Closing; s.ws && !c.Plain {
		_ = s.control(wire.Close, c.Payload, !c.Unmasked)
	}
}

// close ends the connection and waits for the reader.
func (s *session) close() {
	s.end0(errors.New("closed by the device"))
	for _, t := range s.timers {
		t.Stop()
	}
	_ = s.conn.Close()
	if s.started {
		<-s.reading
	}
}

func (s *session) end0(err error) {
	if s.end != nil {
		s.end(err)
	}
}

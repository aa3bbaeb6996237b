package faulty

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// session is one device joined to the broker.
type session struct {
	e              *Endpoint
	device, broker net.Conn
	frames         *wire.Reader
	buffered       *bufio.Reader

	writeMu sync.Mutex

	// owned by pumpUp
	inMessage bool
	pending   []byte
	packets   int
}

// pumpUp carries frames to the broker until something ends it.
func (s *session) pumpUp() {
	for {
		if s.e.has("whole-frames-only") && !s.wholeFrame() {
			return
		}
		f, err := s.frames.Next(nil)
		if errors.Is(err, wire.ErrTooLarge) && s.e.has("waits-for-huge") {
			_, _ = io.Copy(io.Discard, s.buffered)
		}
		if err != nil {
			if s.e.has("invents-disconnect") {
				_, _ = s.broker.Write(packet.Disconnect())
			}
			return
		}
		if !s.take(f) {
			return
		}
	}
}

// wholeFrame believes, as some servers do, that a read brings whole frames.
func (s *session) wholeFrame() bool {
	if _, err := s.buffered.Peek(1); err != nil {
		return false
	}
	b, _ := s.buffered.Peek(s.buffered.Buffered())
	h, n, err := wire.ParseHeader(b)
	return err == nil && uint64(len(b)) >= uint64(n)+h.Length
}

// take handles one frame; false ends the session.
func (s *session) take(f wire.Frame) bool {
	switch {
	case f.RSV != 0 && !s.e.has("any-rsv"), f.Op > wire.Binary && f.Op < wire.Close && !s.e.has("any-opcode"), f.Op > wire.Pong,
		f.Op.Control() && f.Length > 125 && !s.e.has("long-control"), f.Op.Control() && !f.Fin && !s.e.has("fragmented-control"),
		!f.Masked && !f.Op.Control() && !s.e.has("any-mask"), f.Op == wire.Text && !s.e.has("any-text"),
		!f.Masked && f.Op == wire.Pong && s.e.has("strict-pong"), f.Op == wire.Pong && f.Masked && s.e.has("no-unsolicited-pong"),
		f.Op == wire.Continuation && !s.inMessage && !s.e.has("any-continuation"):
		return s.offence()
	}
	switch f.Op {
	case wire.Ping:
		return s.pong(f.Payload)
	case wire.Pong:
		return true
	case wire.Close:
		return s.closing(f)
	}
	return s.data(f)
}

// offence is answered by the end, or by silence when the endpoint is a lenient one.
func (s *session) offence() bool {
	return s.e.has("shrugs")
}

func (s *session) pong(payload []byte) bool {
	switch {
	case s.e.has("no-pong"):
		return true
	case s.e.has("no-empty-pong") && len(payload) == 0:
		return true
	case s.e.has("pong-without-payload"):
		payload = nil
	}
	return s.down(wire.Header{Fin: true, Op: wire.Pong}, payload) == nil
}

func (s *session) closing(f wire.Frame) bool {
	unmasked := !f.Masked && s.e.has("ignores-unmasked-close")
	odd := string(f.Payload) == "1000" && s.e.has("ignores-odd-close")
	if unmasked || odd || s.e.has("ignores-close") {
		return true
	}
	if s.e.has("invents-disconnect-on-close") {
		_, _ = s.broker.Write(packet.Disconnect())
	}
	if !s.e.has("no-close-answer") {
		_ = s.down(wire.Header{Fin: true, Op: wire.Close}, []byte{3, 0xE8})
	}
	return false
}

// data carries bytes up, unless the endpoint cannot cope with how they come.
func (s *session) data(f wire.Frame) bool {
	e := s.e
	first := s.packets == 0 && len(s.pending) == 0
	n, _ := packet.Size(f.Payload)
	switch {
	case e.has("no-one-byte-frames") && len(f.Payload) == 1,
		e.has("no-empty-frames") && len(f.Payload) == 0 && f.Fin && f.Op == wire.Binary,
		e.has("no-empty-fragments") && len(f.Payload) == 0 && (!f.Fin || f.Op == wire.Continuation),
		e.has("no-fragments") && !f.Fin,
		e.has("no-split") && len(f.Payload) > 1 && f.Op == wire.Binary && f.Fin && (n == 0 || n > len(f.Payload)),
		e.has("no-coalesced") && n > 0 && n < len(f.Payload),
		e.has("no-zero-mask") && f.Mask == [4]byte{},
		e.has("no-wide-length") && f.Wide:
		return false
	case e.has("no-ping-between-fragments") && !f.Fin && s.buffered.Buffered() > 0:
		if b, err := s.buffered.Peek(1); err == nil && wire.Opcode(b[0]&15) == wire.Ping {
			return false
		}
	case e.has("no-pipelining") && first && s.buffered.Buffered() > 0:
		return false
	}
	s.inMessage = !f.Fin
	s.pending = append(s.pending, f.Payload...)
	for {
		n, err := packet.Size(s.pending)
		if err != nil {
			return s.offence()
		}
		if n == 0 || n > len(s.pending) {
			return true
		}
		if !s.up(s.pending[:n]) {
			return s.offence()
		}
		s.pending = s.pending[n:]
	}
}

// up passes one packet on, within the rules.
func (s *session) up(p []byte) bool {
	kind := p[0] >> 4
	s.packets++
	switch {
	case s.packets == 1 && kind != packet.CONNECT:
		return false
	case s.packets > 1 && (kind == packet.CONNECT || kind == packet.CONNACK || kind == packet.SUBACK || kind == packet.PINGRESP):
		return false
	case kind == packet.DISCONNECT && s.e.has("swallows-disconnect"),
		kind == packet.PINGREQ && s.e.has("swallows-pingreq"),
		kind == packet.PUBLISH && p[0]&6 == 2 && s.e.has("swallows-qos-1"),
		kind == packet.PUBREL && s.e.has("swallows-pubrel"),
		kind == packet.PUBLISH && p[0]&1 == 1 && s.e.has("swallows-retained"):
		return true
	case kind == packet.CONNECT && s.e.has(map[byte]string{3: "no-3.1", 4: "no-3.1.1", 5: "no-5"}[level(p)]):
		return false
	case kind == packet.CONNECT && level(p) == 5 && s.e.has("refuses-5"):
		_ = s.down(wire.Header{Fin: true, Op: wire.Binary}, []byte{packet.CONNACK << 4, 2, 0, 1}) // as a broker of 3.1.1 does
		return false
	}
	_, err := s.broker.Write(p)
	return err == nil
}

// level is a CONNECT packet's protocol level.
func level(p []byte) byte {
	at := 2
	for p[at-1]&0x80 != 0 {
		at++
	}
	at += 2 + int(p[at])<<8 + int(p[at+1])
	return p[at]
}

package faulty

import (
	"bytes"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// down writes one frame.
func (s *session) down(h wire.Header, payload []byte) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	_, err := s.device.Write(wire.AppendFrame(nil, h, payload))
	return err
}

// pumpDown carries packets to the device, one frame each, but for the faults.
func (s *session) pumpDown() {
	defer func() { _ = s.device.Close() }()
	var stream, held []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := s.broker.Read(buf)
		if err != nil {
			return
		}
		stream = append(stream, buf[:n]...)
		for {
			n, err := packet.Size(stream)
			if err != nil || n == 0 || n > len(stream) {
				break
			}
			p := append([]byte(nil), stream[:n]...)
			stream = stream[n:]
			if p[0]>>4 == packet.PUBLISH {
				held = s.publish(p, held)
				continue
			}
			if p[0]>>4 == packet.CONNACK && s.e.has("one-at-a-time") {
				p = bytes.Replace(p, []byte{0x21, 0x04, 0x00}, []byte{0x21, 0x00, 0x01}, 1) // the broker's Receive Maximum
			}
			if kind := p[0] >> 4; (kind == packet.PUBACK || kind == packet.PUBREC) && s.e.has("swallows-acks") {
				continue
			}
			if s.packet(p) != nil {
				return
			}
			if p[0]>>4 == packet.CONNACK && !s.afterConnack() {
				return
			}
		}
	}
}

// afterConnack does what some servers do to a fresh session.
func (s *session) afterConnack() bool {
	var err error
	switch {
	case s.e.has("pings"):
		err = s.down(wire.Header{Fin: true, Op: wire.Ping}, []byte("ping"))
	case s.e.has("pings-empty"):
		err = s.down(wire.Header{Fin: true, Op: wire.Ping}, nil)
	case s.e.has("connack-again"):
		err = s.packet([]byte{0x20, 2, 0, 0})
	}
	return err == nil
}

// publish mistreats messages: the faults of loss, doubling and order strike every fifth.
func (s *session) publish(p, held []byte) []byte {
	n := s.e.count.Add(1)
	strike := n%5 == 0
	switch {
	case strike && s.e.has("drops"):
		return held
	case strike && s.e.has("doubles"):
		_ = s.packet(p)
	case s.e.has("corrupts"):
		p[len(p)-1] ^= 0xFF
	case s.e.has("reorders"):
		// Every message waits for its successor and lets it go first.
		if held == nil {
			return p
		}
		_ = s.packet(p)
		_ = s.packet(held)
		return nil
	case s.e.has("coalesces"):
		if held == nil {
			return p
		}
		_ = s.packet(append(held, p...))
		return nil
	}
	_ = s.packet(p)
	return held
}

// packet sends one packet as a frame, or as what the faults make of it.
func (s *session) packet(p []byte) error {
	h := wire.Header{Fin: true, Op: wire.Binary}
	half := len(p) / 2
	switch e := s.e; {
	case e.has("text-down"):
		h.Op = wire.Text
	case e.has("masked-down"):
		h.Masked, h.Mask = true, [4]byte{9, 9, 9, 9}
	case e.has("wide-down"):
		h.Wide = true
	case e.has("rsv-down"):
		h.RSV = 4
	case e.has("empty-down"):
		if err := s.down(h, nil); err != nil {
			return err
		}
	case e.has("splits-down"):
		if err := s.down(h, p[:half]); err != nil {
			return err
		}
		return s.down(h, p[half:])
	case e.has("fragments-down"):
		if err := s.down(wire.Header{Op: wire.Binary}, p[:half]); err != nil {
			return err
		}
		return s.down(wire.Header{Fin: true, Op: wire.Continuation}, p[half:])
	case e.has("header-apart"):
		return s.slowly(h, p, 10*time.Millisecond)
	case e.has("stalls") && p[0]>>4 == packet.PUBLISH:
		return s.slowly(h, p, 1500*time.Millisecond)
	}
	return s.down(h, p)
}

// slowly leaves a pause between header and payload.
func (s *session) slowly(h wire.Header, p []byte, pause time.Duration) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	raw := wire.AppendFrame(nil, h, p)
	if _, err := s.device.Write(raw[:2]); err != nil {
		return err
	}
	time.Sleep(pause)
	_, err := s.device.Write(raw[2:])
	return err
}

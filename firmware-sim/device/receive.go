package device

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// read is the session's reader: it ends with the connection and ends the session with its reason.
func (s *session) read() {
	defer close(s.reading)
	var err error
	if s.ws {
		err = s.readFrames()
	} else {
		err = s.readStream()
	}
	s.end(err)
	_ = s.conn.Close()
}

// readStream takes packets from a plain TCP connection.
func (s *session) readStream() error {
	buf := make([]byte, 2048)
	for {
		n, err := s.conn.Read(buf)
		s.d.counters.BytesDown.Add(int64(n))
		if err != nil {
			return ended(err)
		}
		if err := s.feed(buf[:n]); err != nil {
			return err
		}
	}
}

// readFrames takes frames with the limits and habits of the profile's library.
func (s *session) readFrames() error {
	var scratch []byte
	for {
		frame, err := s.frames.Next(scratch)
		switch {
		case errors.Is(err, wire.ErrTooLarge):
			return s.tooBig(frame.Header)
		case errors.Is(err, wire.ErrMidFrame) && errors.Is(err, os.ErrDeadlineExceeded):
			seen := fmt.Sprintf("%s took more than %s", frame.Header, s.frames.MidFrame)
			if s.d.profile.Radio.With(s.d.settings.Impair).Pause(int(min(frame.Length, math.MaxInt32))) >= s.frames.MidFrame {
				return profile.Problem{Fault: profile.MidFrameStall, Seen: seen} // the line's doing, as was asked for
			}
			return s.fatal(profile.MidFrameStall, seen)
		case err != nil:
			return ended(err)
		}
		if s.d.settings.Trace != nil {
			s.d.settings.Trace(s.d.id.ClientID, "down "+frame.String())
		}
		s.d.counters.BytesDown.Add(int64(len(frame.Payload)))
		if err := s.take(frame); err != nil {
			return err
		}
		scratch = frame.Payload
		if cap(scratch) > 4096 {
			scratch = nil
		}
	}
}

// ended names the ways a connection ends without an error of its own.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("closed by the peer")
	}
	return err
}

// fault counts and goes on; fatal counts and ends the session.
func (s *session) fault(f profile.Fault, seen string) {
	s.d.counters.Fault(profile.Problem{Fault: f, Seen: seen})
}

func (s *session) fatal(f profile.Fault, seen string) error {
	s.fault(f, seen)
	return profile.Problem{Fault: f, Seen: seen}
}

func (s *session) tooBig(h wire.Header) error {
	r := s.d.profile.Receiver
	if r.MaxFrameClose != 0 {
		_ = s.control(wire.Close, []byte{byte(r.MaxFrameClose >> 8), byte(r.MaxFrameClose)}, true)
	}
	return s.fatal(profile.FrameTooBig, h.String())
}

// take handles one frame.
func (s *session) take(f wire.Frame) error {
	r := s.d.profile.Receiver
	switch {
	case f.Masked:
		return s.fatal(profile.MaskedHit, f.Header.String())
	case f.RSV != 0, f.Op > wire.Binary && f.Op < wire.Close, f.Op > wire.Pong:
		return s.fatal(profile.ReservedHit, f.Header.String())
	case r.MaxFrame > 0 && len(f.Payload) > r.MaxFrame:
		return s.tooBig(f.Header)
	case f.Op == wire.Close:
		return s.closed(f.Payload)
	case f.Op == wire.Ping:
		return s.pinged(f.Payload)
	case f.Op == wire.Pong:
		return nil
	case r.Accumulator > 0 && len(f.Payload) > r.Accumulator:
		return s.fatal(profile.ReadTooBig, fmt.Sprintf("%d B in a frame, %d fit", len(f.Payload), r.Accumulator))
	case f.Op == wire.Text:
		if done, err := s.act(r.Text, profile.TextHit, f); done {
			return err
		}
	case len(f.Payload) == 0:
		if r.Empty != profile.Accept {
			_, err := s.act(r.Empty, profile.EmptyHit, f)
			return err
		}
		return nil
	case f.Op == wire.Continuation || !f.Fin:
		if done, err := s.act(r.Continuation, profile.ContinuationHit, f); done {
			return err
		}
		return s.feed(f.Payload)
	}
	if r.OnePacketPerFrame {
		return s.feedAligned(f.Payload)
	}
	return s.feed(f.Payload)
}

// act does what the library does with a frame it was not made for; done means that nothing is left to do with it.
func (s *session) act(a profile.Action, f profile.Fault, frame wire.Frame) (done bool, err error) {
	switch a {
	case profile.Drop:
		s.fault(f, frame.Header.String())
		return true, nil
	case profile.Fail:
		return true, s.fatal(f, frame.Header.String())
	}
	return false, nil
}

func (s *session) closed(payload []byte) error {
	c := s.d.profile.Closing
	if !c.NoReply {
		_ = s.control(wire.Close, payload, !c.Unmasked)
	}
	if len(payload) >= 2 {
		return fmt.Errorf("closed by the peer with %d", int(payload[0])<<8|int(payload[1]))
	}
	return errors.New("closed by the peer with an empty CLOSE")
}

func (s *session) pinged(payload []byte) error {
	seen := fmt.Sprintf("ping of %d B", len(payload))
	switch s.d.profile.Receiver.Ping {
	case profile.AnswerUnmasked:
		return s.control(wire.Pong, payload, false)
	case profile.NoAnswer:
		if len(payload) == 0 {
			return s.fatal(profile.PingHit, seen)
		}
		return nil
	case profile.PingKills:
		return s.fatal(profile.PingHit, seen)
	case profile.PingIsData:
		s.fault(profile.PingHit, seen)
		return s.feed(payload)
	case profile.PingStalls:
		if s.frames.Buffered() > 0 {
			s.fault(profile.PingHit, seen+" with data behind it")
		}
	}
	return s.control(wire.Pong, payload, true)
}

// feedAligned is for libraries that believe in one packet per frame: what is not so aligned is lost.
func (s *session) feedAligned(b []byte) error {
	n, err := packet.Size(b)
	if err != nil {
		return s.fatal(profile.BrokenStream, err.Error())
	}
	if n == 0 || n > len(b) {
		s.fault(profile.Partial, fmt.Sprintf("%d B of a packet", len(b)))
		return nil
	}
	if n < len(b) {
		s.fault(profile.Coalesced, fmt.Sprintf("%d B behind the first packet", len(b)-n))
	}
	return s.packet(b[:n])
}

// feed adds bytes to the MQTT stream and handles every packet that is complete.
func (s *session) feed(b []byte) error {
	if len(s.partial) > 0 {
		s.partial = append(s.partial, b...)
		b = s.partial
	}
	for len(b) > 0 {
		n, err := packet.Size(b)
		if err != nil {
			return s.fatal(profile.BrokenStream, err.Error())
		}
		if n > s.d.settings.maxPacket() {
			return s.fatal(profile.PacketTooBig, fmt.Sprintf("packet of %d B", n))
		}
		if n == 0 || n > len(b) {
			break
		}
		if err := s.packet(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	if len(b) == 0 {
		s.partial = nil
	} else {
		s.partial = append(s.partial[:0], b...)
	}
	return nil
}

package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/bridge/socket"
	"mqtt-ws-bridge/mqttio"
)

// open takes the session from the upgrade to the point where the broker has CONNECT. It reports whether that worked; if
// not, the session has its cause.
func (s *session) open() (ok bool) {
	s.guard(func() {
		connect, ok1 := s.readConnect()
		if !ok1 || !s.dial(&connect) {
			return
		}
		ok = s.passConnect()
	})
	return ok
}

// readConnect reads until CONNECT is whole. The packet stays in the stream, as its first run.
func (s *session) readConnect() (c mqttio.Connect, ok bool) {
	for {
		p, err := s.up.stream.Next()
		switch {
		case err == mqttio.ErrShort:
			s.up.note()
			if !s.fill(&s.up) {
				return c, false
			}
			continue
		case err != nil:
			s.end(reason.OfConnect(err), err)
			return c, false
		}
		if c, err = mqttio.ParseConnect(p.Bytes); err != nil {
			s.connect.version = c.Answer
			s.toDevice.SetMost(c.MaximumPacketSize)
			s.end(reason.OfConnect(err), err)
			return c, false
		}
		if c.Version == mqttio.V31 {
			p.Bytes[0] = byte(mqttio.TypeConnect) << 4 // as the stream has it of other packets
		}
		s.connect = connectInfo{version: c.Version, clientID: forLog(c.ClientID), username: usernameForLog(&c)}
		s.toDevice.SetMost(c.MaximumPacketSize)
		s.traceConnect(&c)
		a := Applicant{session: s, connect: &c, packet: p.Bytes}
		if why := s.b.refuse(onConnect, &a); why != nil {
			s.end(why, a.err)
			return c, false
		}
		s.up.stream.Version, s.down.stream.Version = c.Version, c.Version
		s.up.stream.Limit = s.b.limits().PacketSize
		s.up.tally.add(&p)
		s.setKeepAlive(c.KeepAlive)
		s.leaveSilenceToMQTT(drive.DeviceEnd)
		return c, true
	}
}

// usernameForLog is what may be logged of the user name that a device sent. Without a password it is the proof of identity itself at
// some brokers, behind a question mark some take tokens, and some devices send one secret as both: these are kept out.
func usernameForLog(c *mqttio.Connect) string {
	if !c.HasPassword || bytes.Equal(c.Username, c.Password) {
		return ""
	}
	name, _, _ := bytes.Cut(c.Username, []byte("?"))
	return forLog(name)
}

// dial connects to a broker, once fewer than Dials are doing so.
func (s *session) dial(c *mqttio.Connect) (ok bool) {
	s.enter(stageDial, 0)
	if s.ending() { // CONNECT came with the handshake of a device that cannot be taken
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.b.limits().DialTimeout)
	defer cancel()
	s.dialing(cancel)
	defer s.dialing(nil)
	neighbors := s.neighbors()
	if s.b.dials.Acquire(ctx, neighbors) != nil {
		s.end(reason.DialsFull, nil)
		return false
	}
	defer s.b.dials.Release(neighbors)
	began := s.b.now()
	broker, err := s.b.upstream.Dial(ctx, DeviceInfo{
		Connect: c, Addr: s.dev.RemoteAddr(), Local: s.dev.LocalAddr(), TLS: s.dev.TLS(),
	})
	s.b.metrics.dialed(s.b.now()-began, err)
	if err != nil {
		s.end(s.b.dialReason(err), err)
		return false
	}
	if !socket.Counts(broker.Conn) {
		s.brokerConn.piece = writePiece
	}
	broker.metrics = s.b.metrics.brokers.opened(broker.Name)
	s.mu.Lock()
	s.broker = broker
	s.mu.Unlock()
	s.leaveSilenceToMQTT(drive.BrokerEnd)
	return !s.ending()
}

// dialing keeps the way to end the dial under way.
func (s *session) dialing(cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cancelDial = cancel
	if cancel != nil && s.ending() {
		cancel()
	}
}

// passConnect sends CONNECT to the broker, and what the device sent behind it stays for the pump.
func (s *session) passConnect() bool {
	s.enter(stageConnack, s.b.limits().ConnackTimeout)
	s.asked = s.b.now()
	connect := s.rewritten
	if s.rewritten = nil; connect == nil { // it holds a password
		return s.flush(&s.up)
	}
	return s.replace(&s.up, connect)
}

// inspectConnect asks the inspector about CONNECT. c is then what the broker gets.
func (s *session) inspectConnect(c *mqttio.Connect, pkt []byte) (*reason.Reason, error) {
	connect, why, err := s.inspector.Connect(c, pkt)
	if why != nil {
		return why, err
	}
	s.up.stream.Grow = s.inspector.Grows()
	if connect != nil {
		s.rewritten, s.connect.clientID = append(make([]byte, mqttio.Headroom), connect...), forLog(c.ClientID)
	}
	return nil, nil
}

// labeled is an error that has its own row in the table of reasons.
type labeled interface{ Label() string }

// deviceReason says why reading from the device ended.
func deviceReason(err error) *reason.Reason {
	var l labeled
	switch {
	case errors.As(err, &l):
		return reason.ByLabel(l.Label())
	case errors.Is(err, io.EOF):
		return reason.DeviceClosed
	}
	return reason.DeviceLost
}

// nonEOF is err unless it says nothing.
func nonEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("read: %w", err)
}

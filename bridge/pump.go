package bridge

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// pump is one direction of a session. Owned by the goroutine that runs it; read by others when that has ended.
type pump struct {
	stream  mqttio.Stream
	buffers buffers
	tally   tally
	usage   usage
	// partial says that a packet has begun and is not whole. The pump changes it, and the watch reads it.
	partial atomic.Bool
}

// letOthers lets other goroutines run before a read that is likely to find nothing. Until it is our turn again more may have come,
// and one read and one write then do for all of it; with nothing else to run it costs next to nothing.
func (p *pump) letOthers() {
	if p.stream.Drained() {
		runtime.Gosched()
	}
}

// note has the watch know whether the stream waits for the rest of a packet. It is always true.
func (p *pump) note() bool {
	if partial := !p.stream.Idle(); partial != p.partial.Load() {
		p.partial.Store(partial)
	}
	return true
}

// pumpUp moves packets from the device to the broker until the session ends or pauses.
func (s *session) pumpUp() {
	for !s.ending() && s.moveUp() && s.fillUp() {
	}
}

// moveUp passes on what was read from the device. It reports whether there is to be read more.
func (s *session) moveUp() bool {
	st := &s.up.stream
	for {
		p, err := st.Next()
		switch {
		case err == nil:
			s.up.tally.add(&p)
			if !s.lookUp(&p) {
				return false
			}
		case err == mqttio.ErrShort:
			return s.flushUp() && s.up.note() && s.hold(&s.up)
		case err == mqttio.ErrRunFull:
			if !s.flushUp() || !s.hold(&s.up) {
				return false
			}
		default:
			s.flushUp() // what came before the bad packet was good
			s.end(packetReason(err), err)
			return false
		}
	}
}

// lookUp looks at a packet, or a part of one, from the device. It reports whether the pump goes on.
func (s *session) lookUp(p *mqttio.Packet) bool {
	if p.First && !s.inspectUp(p) {
		return false
	}
	if p.Header.Type() == mqttio.TypeSubscribe {
		if filters, tooMany := s.tooManyFilters(p); tooMany {
			return s.refuseSubscribe(p, filters)
		}
	}
	return s.policed == nil || s.judgeUp(p)
}

// inspectUp looks at a packet from the device. It reports whether the pump goes on.
func (s *session) inspectUp(p *mqttio.Packet) bool {
	switch p.Header.Type() {
	case mqttio.TypeConnect:
		s.dropUp(p)
		s.end(reason.Protocol, errSecondConnect)
		return false
	case mqttio.TypeDisconnect:
		s.leaving.Store(true) // the broker may close before we are back from telling it
		s.flushUp()
		s.end(reason.Disconnect, nil)
		return false
	case mqttio.TypeSubscribe:
		s.traceSubscribe(p)
	}
	return true
}

var errSecondConnect = errors.New("second CONNECT [MQTT-3.1.0-2]")

// flushUp writes the run to the broker in one write.
func (s *session) flushUp() bool {
	run, ends := s.up.stream.Run()
	if len(ends) > 0 {
		if !s.writeBroker(run[mqttio.Headroom:]) {
			return false
		}
		s.up.tally.flush()
	}
	s.up.stream.Done()
	return s.sendReplies()
}

// flushUpBefore writes the run without the packet, or part of one, just found, which is forgotten.
func (s *session) flushUpBefore() bool {
	run, ends := s.up.stream.RunBefore()
	if len(ends) > 0 && !s.writeBroker(run[mqttio.Headroom:]) {
		return false
	}
	s.up.tally.flush()
	s.up.stream.Done()
	return s.sendReplies()
}

// dropUp takes the packet, or part of one, just found out of what goes to the broker, and writes what came before it.
func (s *session) dropUp(p *mqttio.Packet) bool {
	s.up.tally.drop(p)
	return s.flushUpBefore()
}

// omitUp is dropUp without the write: a device that sends many forbidden packets does not cause one for each.
func (s *session) omitUp(p *mqttio.Packet) bool {
	s.up.tally.drop(p)
	s.up.stream.Drop()
	return true
}

// writeBroker writes packets of the device to the broker. Called by the pump up.
func (s *session) writeBroker(packets []byte) bool {
	if s.policed != nil {
		return s.writeToBroker(packets)
	}
	return s.writeNow(packets)
}

func (s *session) writeNow(packets []byte) bool {
	for len(packets) > 0 {
		n := len(packets)
		if s.brokerPiece > 0 {
			n = min(n, s.brokerPiece)
		}
		s.brokerBusy.Add(1)
		_, err := s.broker.Write(packets[:n])
		s.brokerBusy.Add(1)
		if err != nil {
			s.end(reason.BrokerLost, err)
			return false
		}
		packets = packets[n:]
	}
	return true
}

// pumpDown moves packets from the broker to the device until the session ends or pauses.
func (s *session) pumpDown() {
	for !s.ending() && s.moveDown() && s.fillDown() {
	}
}

// moveDown passes on what was read from the broker. It reports whether there is to be read more.
func (s *session) moveDown() bool {
	st := &s.down.stream
	for !s.ending() {
		p, err := st.Next()
		switch {
		case err == nil:
			s.down.tally.add(&p)
			if p.First && !s.inspectDown(&p) || s.policed != nil && !s.judgeDown(&p) {
				return false
			}
		case err == mqttio.ErrShort:
			return s.flushDown() && s.down.note() && s.hold(&s.down)
		case err == mqttio.ErrRunFull:
			if !s.flushDown() || !s.hold(&s.down) {
				return false
			}
		default:
			s.flushDown()
			s.end(reason.BrokerMalformed, err)
		}
	}
	return false
}

// fillDown reads once from the broker. It reports whether to go on.
func (s *session) fillDown() bool {
	if !s.driver.Serving() {
		s.down.letOthers()
	}
	n, err := s.down.stream.Fill(s.broker.Conn) // not s.broker: that would be copied to the heap
	if n > 0 {                                  // an error that came with the last bytes, as TLS has it, comes again
		s.downBytes.Add(uint64(n))
		s.read(drive.BrokerEnd, n)
		return true
	}
	switch {
	case err == nil:
		return true
	case err == mqttio.ErrNoMemory:
		return s.awaitMemory(&s.down)
	case s.nothingYet(err):
		return !s.driver.Pausing()
	case s.leaving.Load():
		s.end(reason.Disconnect, nil)
	case errors.Is(err, io.EOF):
		s.end(reason.BrokerClosed, nil)
	default:
		s.end(reason.BrokerLost, err)
	}
	return false
}

// flushDown writes the run to the device, one frame for each packet.
func (s *session) flushDown() bool {
	run, ends := s.down.stream.Run()
	if len(ends) > 0 {
		if err := s.writeDevice(run, ends, s.down.stream.MidPacket()); err != nil {
			s.end(reason.DeviceLost, err)
			return false
		}
		s.down.tally.flush()
	}
	s.down.stream.Done()
	return true
}

// flushDownBefore writes the run without the packet, or part of one, just found, which is forgotten.
func (s *session) flushDownBefore() bool {
	run, ends := s.down.stream.RunBefore()
	if len(ends) > 0 {
		if err := s.writeDevice(run, ends, false); err != nil {
			s.end(reason.DeviceLost, err)
			return false
		}
	}
	s.down.tally.flush()
	s.down.stream.Done()
	return true
}

// dropDown takes the packet, or part of one, just found out of what goes to the device.
func (s *session) dropDown(p *mqttio.Packet) bool {
	s.down.tally.drop(p)
	return s.flushDownBefore()
}

// writeDevice writes frames to the device; part says that the last of them does not end a packet.
func (s *session) writeDevice(buf []byte, ends []int, part bool) error {
	s.devMu.Lock()
	defer s.devMu.Unlock()
	if s.devDone {
		return net.ErrClosed
	}
	s.devPart = part
	if err := s.dev.WriteFrames(buf, ends); err != nil {
		return err
	}
	if s.policed != nil {
		s.policed.up.told = s.policed.up.seen
	}
	if s.accepted {
		s.accepted = false
		s.enter(stageOnline, 0)
		s.devOpen = true
		s.memory.accept()
		s.rouse() // who waits may have moved to the other share
	}
	return s.writeOwn()
}

// packetReason says for which reason a packet of the device ends the session.
func packetReason(err error) *reason.Reason {
	var e *mqttio.Error
	switch {
	case errors.Is(err, mqttio.ErrControlPacketTooLarge):
		return reason.ControlPacketTooLarge
	case errors.Is(err, mqttio.ErrTooLarge):
		return reason.PacketTooLarge
	case errors.As(err, &e) && e.Code == mqttio.CodeProtocol:
		return reason.Protocol
	}
	return reason.Malformed
}

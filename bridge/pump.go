package bridge

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// pump is one direction of a session: it reads packets from one end, has each inspected, and writes them to the other. Owned by the
// goroutine that runs it; read by others when that has ended.
type pump struct {
	*side
	from, to    *leg.Leg
	stream      mqttio.Stream
	buffers     buffers
	tally       tally
	usage       usage
	answers     int  // bytes of the bridge's own for the end that is read from, which no write was tried for yet
	dropping    bool // the rest of a long packet does not go on
	filterBytes int  // of packets with topic filters since the last read
	// partial says that a packet has begun and is not whole. The pump changes it, and the watch reads it.
	partial atomic.Bool
}

// side is what differs between the two ends that a pump reads from.
type side struct {
	end         drive.End
	malformed   func(error) *reason.Reason // what the end sent is not MQTT
	lost        *reason.Reason             // the other end cannot be written to
	tooLarge    *reason.Reason             // the end does not take an answer of the bridge's
	unanswered  *reason.Reason             // too many of those wait
	errTooMany  error
	waitsAnswer bool // an answer may wait for a write to the end that is under way
}

// The sides. The pump down never waits for a write to the broker, which may wait for the broker, and the broker for us to read.
var sides = [2]side{
	mqttio.Up: {
		end:       drive.DeviceEnd,
		malformed: reason.OfPacket, lost: reason.BrokerLost, tooLarge: reason.AnswerTooLarge, unanswered: reason.PublishDenied,
		errTooMany: errors.New("too many forbidden packets before they could be answered"), waitsAnswer: true,
	},
	mqttio.Down: {
		end:       drive.BrokerEnd,
		malformed: func(error) *reason.Reason { return reason.BrokerMalformed }, lost: reason.DeviceLost, tooLarge: reason.BrokerPacketSize,
		unanswered: reason.BrokerMalformed,
		errTooMany: errors.New("too many messages that the device may not have before they could be answered"),
	},
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

// pass moves packets in one direction until the session ends or pauses.
func (s *session) pass(p *pump) {
	for !s.ending() && s.move(p) && s.fill(p) {
	}
}

// move passes on what was read. It reports whether there is to be read more. What a device has sent before its session ends goes on.
func (s *session) move(p *pump) bool {
	for p == &s.up || !s.ending() {
		pkt, err := p.stream.Next()
		switch {
		case err == nil:
			p.tally.add(&pkt)
			if !s.look(p, &pkt) {
				return false
			}
		case err == mqttio.ErrShort:
			s.inspector.Forget(p.stream.Direction)
			return s.flush(p) && p.note() && s.hold(p)
		case err == mqttio.ErrRunFull:
			if !s.flush(p) || !s.hold(p) {
				return false
			}
		default:
			s.flush(p) // what came before the bad packet was good
			s.end(p.malformed(err), err)
			return false
		}
	}
	return false
}

// look looks at a packet, or a part of one, and does what becomes of it. It reports whether the pump goes on.
func (s *session) look(p *pump, pkt *mqttio.Packet) bool {
	if p == &s.up {
		return s.lookUp(pkt)
	}
	return s.lookDown(pkt)
}

// obey does what the inspector says of the packet that the stream found last.
func (s *session) obey(p *pump, pkt *mqttio.Packet, v *police.Verdict) bool {
	switch v.Action {
	case police.Edit:
		p.stream.Replace(v.Edit.Append)
	case police.Replace:
		return s.replace(p, v.Packet)
	case police.Drop:
		p.dropping = !pkt.Last
		s.omit(p, pkt)
	case police.End:
		return s.refuse(p, pkt, v.Reason, v.Err)
	}
	if v.Answer.Packet != nil {
		return s.answer(p, v.Answer)
	}
	return true
}

// refuse ends the session because of the packet at hand. What came before it was good and goes on. It is always false.
func (s *session) refuse(p *pump, pkt *mqttio.Packet, why *reason.Reason, err error) bool {
	p.tally.drop(pkt)
	if s.flushBefore(p) {
		s.end(why, err)
	}
	return false
}

// omit takes the packet, or part of one, at hand out of what goes on. It does not write: a device that sends many forbidden packets does not
// cause a write for each.
func (s *session) omit(p *pump, pkt *mqttio.Packet) {
	p.tally.drop(pkt)
	p.stream.Drop()
}

// replace passes other, which begins after Headroom bytes, on in place of the packet at hand, which stays counted.
func (s *session) replace(p *pump, other []byte) bool {
	run, ends := p.stream.RunBefore()
	if !s.write(p, run, ends, false) || !s.write(p, other, []int{len(other)}, false) {
		return false
	}
	p.tally.flush()
	p.stream.Done() // other is counted with the buffer until here
	return true
}

// flush writes the run in one write, each packet in a frame where the other end has frames.
func (s *session) flush(p *pump) bool {
	run, ends := p.stream.Run()
	if !s.write(p, run, ends, p.stream.MidPacket() && !p.dropping) {
		return false
	}
	if len(ends) > 0 {
		p.tally.flush()
	}
	p.stream.Done()
	return true
}

// flushBefore writes the run without the packet, or part of one, at hand, which is forgotten.
func (s *session) flushBefore(p *pump) bool {
	run, ends := p.stream.RunBefore()
	if !s.write(p, run, ends, false) {
		return false
	}
	p.tally.flush()
	p.stream.Done()
	return true
}

// write writes to the other end, and before that what answers there are for this one: who is slow there does not delay them. Where the
// answers cannot be written any more, as to a device that has sent DISCONNECT and gone, the packets go on all the same.
func (s *session) write(p *pump, buf []byte, ends []int, part bool) bool {
	s.sendAnswers(p)
	if len(ends) == 0 {
		return true
	}
	if err := p.to.Write(buf, ends, part); err != nil {
		s.end(p.lost, err)
		return false
	}
	return true
}

// answersTogether is how many bytes of answers are gathered for one write.
const answersTogether = 4 << 10

// answer answers the end that is read from: when what was read is looked at, or as soon after that as it can be. It reports whether
// the pump goes on: where there is no room for the answer, what came before goes on and the session ends.
func (s *session) answer(p *pump, a police.Answer) bool {
	if err := p.from.Say(a.Packet, a.Kind, a.After); err != nil {
		s.flush(p)
		s.end(p.unsaid(err))
		return false
	}
	if p.answers += len(a.Packet); p.answers >= answersTogether {
		s.sendAnswers(p)
	}
	return true
}

// unsaid says why the session ends where the leg did not take an answer.
func (p *pump) unsaid(err error) (*reason.Reason, error) {
	switch err {
	case leg.ErrTooLarge:
		return p.tooLarge, nil
	case leg.ErrNoMemory:
		return reason.MemoryShort, p.errTooMany
	}
	return p.unanswered, p.errTooMany
}

// sendAnswers sends what answer has gathered. Where it cannot, the session ends.
func (s *session) sendAnswers(p *pump) {
	if p.answers == 0 {
		return
	}
	p.answers = 0
	if err := p.from.Flush(p.waitsAnswer); err != nil {
		s.end(s.other(p).lost, err)
	}
}

// other is the pump that writes where p reads from.
func (s *session) other(p *pump) *pump {
	if p == &s.up {
		return &s.down
	}
	return &s.up
}

// fill reads once. It reports whether to go on.
func (s *session) fill(p *pump) bool {
	if !s.driver.Serving() {
		p.letOthers()
	}
	p.filterBytes = 0
	n, err := p.stream.Fill(p.from)
	if n > 0 { // an error that came with the last bytes, as TLS has it, comes again
		s.read(p.end, n)
		return true
	}
	switch {
	case err == nil:
		return true
	case err == mqttio.ErrNoMemory:
		return s.awaitMemory(p)
	case s.nothingYet(err):
		return !s.driver.Pausing()
	}
	if p == &s.up {
		s.end(deviceReason(err), nonEOF(err))
	} else {
		s.end(s.brokerReason(err))
	}
	return false
}

// brokerReason says why reading from the broker ended.
func (s *session) brokerReason(err error) (*reason.Reason, error) {
	switch {
	case s.leaving.Load():
		return reason.Disconnect, nil
	case errors.Is(err, io.EOF):
		return reason.BrokerClosed, nil
	}
	return reason.BrokerLost, err
}

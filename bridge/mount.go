package bridge

import (
	"errors"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// policedDown is what a session with a policy remembers of the messages of the broker. Owned by the pump down.
type policedDown struct {
	judged      bool // messages are judged: the broker may have kept subscriptions that were not
	withholding bool // the rest of a long PUBLISH is kept from the device
	answer      withheldAnswer
	order       ackOrder // messages of the broker
	lost        idSet    //  topic aliases that the device did not hear of
	untold      idSet    //  QoS 2 messages that the device did not get and that await PUBREL, in 3.x
}

// withheldAnswer is what the broker hears of a message that the device does not get, when the last part of it was read.
type withheldAnswer struct {
	pkt   []byte // after Headroom; nil: nothing
	kind  ackKind
	after uint64
}

var (
	errTooManyWithheld = errors.New("too many messages with topic aliases or QoS 2 that the device may not have")
	errBrokerAlias     = errors.New("PUBLISH that may set a topic alias and whose properties cannot be read")
)

// setMount lets the device's topics lie below the mount.
func (s *session) setMount(m mqttio.Mount) {
	s.policed.mount = m
	s.up.stream.Grow = 2*len(m) + 8 // the topic, the response topic, and lengths
}

// accepted reads what CONNACK says. Called by the pump down.
func (pol *policed) accepted(ack *mqttio.Connack, v mqttio.Version) {
	pol.brokerMost.Store(ack.MaximumPacketSize)
	resumed := ack.SessionPresent || v == mqttio.V31 && pol.keeps // 3.1 does not say whether it was there
	pol.down.judged = resumed && !pol.receivesAll
}

// most is how large a packet up may become, at most limit.
func (pol *policed) most(limit int) int {
	if m := pol.brokerMost.Load(); m > 0 && uint64(m) < uint64(limit) {
		return int(m)
	}
	return limit
}

// tooLargeReason says which limit bites where a packet below the mount cannot be more than most(mqttio.MaxWhole).
func (pol *policed) tooLargeReason() *reason.Reason {
	if pol.most(mqttio.MaxWhole) < mqttio.MaxWhole {
		return reason.BrokerPacketSize
	}
	return reason.ControlPacketTooLarge
}

// mountUp says what a PUBLISH is below the mount; false: there is no such packet.
func (s *session) mountUp(p *mqttio.Packet, q *mqttio.Publish) (edit mqttio.PublishEdit, ok bool) {
	m := s.policed.mount
	if m == "" {
		return edit, true
	}
	if len(q.Topic) > 0 && !m.Holds(q.Topic) {
		return edit, false
	}
	if response, ok, _ := q.Properties.ResponseTopic(); ok && !m.Holds(response) {
		return edit, false
	}
	edit = m.Up(p.Header, p.Bytes, s.connect.version, q)
	return edit, edit.Size <= s.policed.most(mqttio.MaxPacketSize)
}

// judgeUnsubscribe passes UNSUBSCRIBE on with its filters below the mount. What the device cannot have subscribed to is
// unsubscribed from all the same: the broker has the answer to that.
func (s *session) judgeUnsubscribe(p *mqttio.Packet) bool {
	pol := s.policed
	if pol.mount == "" && pol.subs == nil {
		return true
	}
	if !s.beginInspection(p) {
		return false
	}
	rest, err := s.inspectUnsubscribe(p)
	s.endInspection()
	if rest == nil && err == nil {
		return true
	}
	return s.passInstead(p, rest, err)
}

// inspectUnsubscribe returns what is to go on in place of the packet; nil: the packet.
func (s *session) inspectUnsubscribe(p *mqttio.Packet) ([]byte, error) {
	u, err := mqttio.ParseUnsubscribe(p.Header, p.Bytes, s.connect.version)
	if err != nil {
		return nil, nil // it was checked
	}
	pol := s.policed
	pol.subs.unsubscribed(u)
	if pol.mount == "" {
		return nil, nil
	}
	return pol.mount.AppendUnsubscribe(nil, p.Header, p.Bytes, u, pol.most(mqttio.MaxWhole))
}

// passInstead passes pkt on in place of p, the packet just found, which stays counted, unless err says why pkt cannot be.
func (s *session) passInstead(p *mqttio.Packet, pkt []byte, err error) bool {
	if err != nil {
		s.dropUp(p)
		s.end(s.policed.tooLargeReason(), err)
		return false
	}
	run, ends := s.up.stream.RunBefore()
	if len(ends) > 0 && !s.writeBroker(run[mqttio.Headroom:]) || !s.writeBroker(pkt) {
		return false
	}
	s.up.tally.flush()
	s.up.stream.Done() // pkt is counted with the buffer until here
	return true
}

// judgeDown looks at a packet, or a part of one, from the broker. It reports whether the pump goes on.
func (s *session) judgeDown(p *mqttio.Packet) bool {
	down := &s.policed.down
	if down.withholding {
		return s.withhold(p)
	}
	if !p.First {
		return true
	}
	s.policed.up.see(p.Header.Type())
	switch p.Header.Type() {
	case mqttio.TypePublish:
		if s.policed.mount != "" || down.judged {
			return s.judgeMessage(p)
		}
	case mqttio.TypeSuback:
		s.learnSuback(p)
		return s.mergeSuback(p)
	case mqttio.TypePubrel:
		return s.releaseUntold(p)
	}
	return true
}

// judgeMessage passes a message on as the device is to see it, or keeps it from the device.
func (s *session) judgeMessage(p *mqttio.Packet) bool {
	v, pol := s.connect.version, s.policed
	q, err := mqttio.ParsePublishHead(p.Header, p.Bytes, v)
	if err == nil {
		_, _, err = q.Properties.ResponseTopic()
	}
	if err != nil {
		if s.connect.takesAliases {
			s.end(reason.BrokerMalformed, errBrokerAlias)
			return false
		}
		q, _ = mqttio.ParsePublishHead(p.Header, p.Bytes, mqttio.V311) // topic and identifier were checked to be there
		return s.withholdMessage(p, &q)
	}
	alias := uint16(0)
	if v == mqttio.V5 {
		alias = q.TopicAlias()
	}
	may := false
	if topic, inside := pol.mount.Device(q.Topic); len(topic) > 0 {
		may = inside && (!pol.down.judged || pol.policy.MayReceive(topic))
	} else if len(q.Topic) == 0 {
		lost := pol.down.lost.has(alias)
		may = alias > 0 && !lost
	}
	if alias > 0 && len(q.Topic) > 0 {
		if may {
			pol.down.lost.drop(alias)
		} else if !s.remember(&pol.down.lost, alias, maxLost) {
			s.end(reason.BrokerMalformed, errTooManyWithheld)
			return false
		}
	}
	if !may {
		return s.withholdMessage(p, &q)
	}
	pol.down.order.pass(q.QoS)
	if pol.mount != "" {
		edit := pol.mount.Down(p.Header, p.Bytes, v, &q)
		s.down.stream.Replace(edit.Append)
	}
	return true
}

// withholdMessage keeps a message from the device, and answers the broker for it as the version allows: a message that nobody
// acknowledged would come again for ever.
func (s *session) withholdMessage(p *mqttio.Packet, q *mqttio.Publish) bool {
	s.b.metrics.withheld.Inc()
	v, down := s.connect.version, &s.policed.down
	switch q.QoS {
	case 1:
		ack := mqttio.AppendAck(ownPacket(), mqttio.TypePuback, v, q.PacketID, mqttio.CodeNotAuthorized)
		down.answer = withheldAnswer{ack, kindPuback, down.order.passed[kindPuback]}
	case 2:
		if v != mqttio.V5 && !s.remember(&down.untold, q.PacketID, maxUnsaid) {
			s.end(reason.BrokerMalformed, errTooManyWithheld)
			return false
		}
		ack := mqttio.AppendAck(ownPacket(), mqttio.TypePubrec, v, q.PacketID, mqttio.CodeNotAuthorized)
		down.answer = withheldAnswer{ack, kindPubrec, down.order.passed[kindPubrec]}
	}
	return s.withhold(p)
}

// withhold takes a packet, or a part of one, out of what goes to the device. With the last part goes the answer.
func (s *session) withhold(p *mqttio.Packet) bool {
	down := &s.policed.down
	down.withholding = !p.Last
	if !s.dropDown(p) {
		return false
	}
	if answer := down.answer; p.Last && answer.pkt != nil {
		down.answer = withheldAnswer{}
		return s.answerBroker(answer)
	}
	return true
}

// releaseUntold ends the QoS 2 exchange of a message that the device did not get.
func (s *session) releaseUntold(p *mqttio.Packet) bool {
	down := &s.policed.down
	if len(down.untold.ids) == 0 {
		return true
	}
	a, err := mqttio.ParseAck(p.Header, p.Bytes, s.connect.version)
	if err != nil {
		return true // it was checked
	}
	if !down.untold.has(a.PacketID) {
		return true
	}
	down.untold.drop(a.PacketID)
	down.answer.pkt = mqttio.AppendAck(ownPacket(), mqttio.TypePubcomp, s.connect.version, a.PacketID, 0)
	return s.withhold(p)
}

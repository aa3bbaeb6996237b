package bridge

import (
	"errors"
	"sync"
	"sync/atomic"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// policed is what a session with a policy remembers. A device makes it remember no more than the limits below.
type policed struct {
	// Set once.
	policy   Policy
	noRetain bool
	subs     *subscriptions // nil: they are not counted

	// Set by the goroutine that opens the session, before there are pumps.
	mount       mqttio.Mount
	keeps       bool // the device asked for a session that the broker keeps
	receivesAll bool // whatever it has kept is allowed

	brokerMost atomic.Uint32 // the largest packet that the broker takes; 0: any
	up         ackOrder      // messages of the device
	down       policedDown
	toBroker   brokerQueue

	// Owned by the goroutine that opens the session, then by the pump up.
	connect  []byte // in place of the device's, until it is sent; nil: the device's own
	lost     idSet  //  topic aliases that the broker did not hear of, because the PUBLISH was dropped
	unsaid   idSet  //  QoS 2 messages that were dropped and await PUBREL, in 3.x
	dropping bool   // the rest of a long PUBLISH is to be dropped

	mu           sync.Mutex
	partial      map[uint16][]byte // by packet identifier: the codes of a SUBSCRIBE that went on in part; guarded by mu
	partialCodes int               // in all of them; guarded by mu
}

const (
	maxLost    = 1024
	maxUnsaid  = 1024
	maxPartial = 32
	// maxPartialCodes is above what one SUBSCRIBE can have, whose entries take at least four bytes each.
	maxPartialCodes = mqttio.MaxWhole / 4
)

var (
	errRetainedWill   = errors.New("retained will")
	errIDInUse        = errors.New("packet identifier is in use [MQTT-2.2.1-3]")
	errLongProperties = errors.New("PUBLISH whose properties are too long to be looked at")
	errLongMount      = errors.New("mount longer than MaxMount")
	errTooManyLost    = errors.New("too many forbidden messages with topic aliases or QoS 2")
)

// judgeConnect asks the policy about CONNECT. It reports whether the session goes on; c is then what the broker gets.
func (s *session) judgeConnect(c *mqttio.Connect, pkt []byte) (*reason.Reason, error) {
	if s.policed.noRetain && c.Will && c.WillRetain {
		return reason.NotAuthorized, errRetainedWill
	}
	terms, err := s.policed.policy.Connect(pkt, c)
	if err != nil {
		return reason.NotAuthorized, err
	}
	if len(terms.Mount) > MaxMount {
		return reason.Internal, errLongMount
	}
	s.policed.keeps, s.policed.receivesAll = !c.CleanStart, terms.ReceivesAll
	s.setMount(terms.Mount)
	if terms.Connect == nil {
		return nil, nil
	}
	if *c, err = mqttio.ParseConnect(terms.Connect); err != nil {
		return reason.Internal, err
	}
	s.policed.connect, s.connect.clientID = terms.Connect, forLog(c.ClientID)
	return nil, nil
}

// judgeUp asks the policy about a packet, or a part of one, from the device. It reports whether the pump goes on.
func (s *session) judgeUp(p *mqttio.Packet) bool {
	if s.policed.dropping {
		s.policed.dropping = !p.Last
		return s.omitUp(p)
	}
	if !p.First {
		return true
	}
	s.policed.down.order.see(p.Header.Type())
	switch p.Header.Type() {
	case mqttio.TypePublish:
		return s.judgePublish(p)
	case mqttio.TypeSubscribe:
		return s.judgeSubscribe(p)
	case mqttio.TypeUnsubscribe:
		return s.judgeUnsubscribe(p)
	case mqttio.TypePubrel:
		return s.judgePubrel(p)
	}
	return true
}

func (s *session) judgePublish(p *mqttio.Packet) bool {
	v, pol := s.connect.version, s.policed
	q, err := mqttio.ParsePublishHead(p.Header, p.Bytes, v)
	if err != nil { // a whole one was checked: this is a long one with endless properties
		s.dropUp(p)
		s.end(reason.ControlPacketTooLarge, errLongProperties)
		return false
	}
	if !p.Whole() {
		if err := q.CheckProperties(v); err != nil {
			s.dropUp(p)
			s.end(packetReason(err), err)
			return false
		}
	}
	alias := uint16(0)
	if v == mqttio.V5 {
		alias = q.TopicAlias()
	}
	edit, allowed := s.mountUp(p, &q)
	allowed = allowed && pol.allows(&q, alias)
	if alias > 0 && len(q.Topic) > 0 {
		if allowed {
			pol.lost.drop(alias)
		} else if !s.remember(&pol.lost, alias, maxLost) {
			s.dropUp(p)
			s.end(reason.PublishDenied, errTooManyLost)
			return false
		}
	}
	if !allowed {
		return s.refusePublish(p, &q)
	}
	pol.up.pass(q.QoS)
	if pol.mount != "" {
		s.up.stream.Replace(edit.Append)
	}
	return true
}

// allows reports whether the device may publish the message.
func (pol *policed) allows(q *mqttio.Publish, alias uint16) bool {
	if pol.noRetain && q.Retain {
		return false
	}
	// Who answers publishes there, and perhaps may publish more than this device may read.
	if response, ok, _ := q.Properties.ResponseTopic(); ok && !pol.policy.MayReceive(response) {
		return false
	}
	if len(q.Topic) > 0 {
		return pol.policy.MayPublish(q.Topic)
	}
	lost := pol.lost.has(alias) // the topic was judged when the broker heard of the alias
	return alias > 0 && !lost
}

// refusePublish drops a PUBLISH and answers it as the version allows.
func (s *session) refusePublish(p *mqttio.Packet, q *mqttio.Publish) bool {
	s.b.metrics.denied[mqttio.TypePublish].Inc()
	v, id, qos := s.connect.version, q.PacketID, q.QoS
	s.policed.dropping = !p.Last
	if s.b.denial.closes {
		s.dropUp(p)
		s.end(reason.PublishDenied, nil)
		return false
	}
	s.omitUp(p)
	switch qos {
	case 1:
		return s.replyAfter(mqttio.AppendAck(ownPacket(), mqttio.TypePuback, v, id, mqttio.CodeNotAuthorized), kindPuback, s.policed.up.passed[kindPuback])
	case 2:
		if v != mqttio.V5 && !s.remember(&s.policed.unsaid, id, maxUnsaid) {
			s.end(reason.PublishDenied, errTooManyLost)
			return false
		}
		return s.replyAfter(mqttio.AppendAck(ownPacket(), mqttio.TypePubrec, v, id, mqttio.CodeNotAuthorized), kindPubrec, s.policed.up.passed[kindPubrec])
	}
	return true
}

// judgePubrel ends the QoS 2 exchange of a message that was dropped; the broker knows nothing of it.
func (s *session) judgePubrel(p *mqttio.Packet) bool {
	if len(s.policed.unsaid.ids) == 0 {
		return true
	}
	a, err := mqttio.ParseAck(p.Header, p.Bytes, s.connect.version)
	if err != nil {
		return true // it was checked
	}
	if !s.policed.unsaid.has(a.PacketID) {
		return true
	}
	s.policed.unsaid.drop(a.PacketID)
	return s.omitUp(p) && s.reply(mqttio.AppendAck(ownPacket(), mqttio.TypePubcomp, s.connect.version, a.PacketID, 0))
}

// midPacket reports whether the broker has a part of a long packet. Called by the pump up.
func (s *session) midPacket() bool {
	return s.up.stream.MidPacket() && (s.policed == nil || !s.policed.dropping)
}

// leaveForDevice says DISCONNECT to the broker where no will is due for a device that did not say it. Called when the pump up has ended.
func (s *session) leaveForDevice() {
	c := s.cause.Load()
	if c != nil && s.endsQuietly(c.reason) && !s.leaving.Load() && s.broker.Conn != nil && !s.midPacket() {
		s.writeBroker([]byte{byte(mqttio.TypeDisconnect) << 4, 0})
	}
}

// endsQuietly reports whether no will is due when the session of a device that the broker has heard of ends for this reason.
func (s *session) endsQuietly(r *reason.Reason) bool {
	switch r {
	case reason.Expired, reason.Revoked:
		return s.b.denial.expireQuietly
	case reason.IdentityConnections, reason.IdentityRate: // the device was refused: it never was there
		return true
	}
	return false
}

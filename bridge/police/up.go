package police

import (
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Up inspects a packet, or a part of one, from the device.
func (i *Inspector) Up(p *mqttio.Packet) *Verdict {
	switch {
	case i == nil:
		return nil
	case i.up.dropping:
		i.up.dropping = !p.Last
		return i.up.drop(Answer{})
	case !p.First:
		return nil
	}
	switch p.Header.Type() {
	case mqttio.TypePublish:
		return i.publish(p)
	case mqttio.TypeSubscribe:
		return i.subscribe(p)
	case mqttio.TypeUnsubscribe:
		return i.unsubscribe(p)
	case mqttio.TypePubrel:
		return i.pubrel(p)
	}
	return nil
}

func (i *Inspector) publish(p *mqttio.Packet) *Verdict {
	v, q, err := i.version, &i.up.publish, error(nil)
	if *q, err = mqttio.ParsePublishHead(p.Header, p.Bytes, v); err != nil { // a whole one was checked: this is a long one with endless properties
		return i.up.end(reason.ControlPacketTooLarge, errLongProperties)
	}
	if !p.Whole() {
		if err := q.CheckProperties(v); err != nil {
			return i.up.end(reason.OfPacket(err), err)
		}
	}
	alias := uint16(0)
	if v == mqttio.V5 {
		alias = q.TopicAlias()
	}
	edit, allowed := i.below(p, q)
	allowed = allowed && i.allows(q, alias)
	if alias > 0 && len(q.Topic) > 0 {
		if allowed {
			i.up.lost.drop(alias)
		} else if !i.remember(&i.up.lost, alias, maxLost) {
			return i.up.end(reason.PublishDenied, errTooManyLost)
		}
	}
	if !allowed {
		return i.refusePublish(p, q)
	}
	if q.QoS > 0 {
		i.up.passed[leg.KindOf(q.QoS)]++
	}
	if i.mount != "" {
		return i.up.edit(edit)
	}
	return nil
}

// below says what a PUBLISH is below the mount; false: there is no such packet.
func (i *Inspector) below(p *mqttio.Packet, q *mqttio.Publish) (edit mqttio.PublishEdit, ok bool) {
	m := i.mount
	if m == "" {
		return edit, true
	}
	if len(q.Topic) > 0 && !m.Holds(q.Topic) {
		return edit, false
	}
	if response, ok, _ := q.Properties.ResponseTopic(); ok && !m.Holds(response) {
		return edit, false
	}
	edit = m.Up(p.Header, p.Bytes, i.version, q)
	return edit, edit.Size <= i.most(mqttio.MaxPacketSize)
}

// allows reports whether the device may publish the message.
func (i *Inspector) allows(q *mqttio.Publish, alias uint16) bool {
	if i.o.NoRetain && q.Retain {
		return false
	}
	// Who answers publishes there, and perhaps may publish more than this device may read.
	if response, ok, _ := q.Properties.ResponseTopic(); ok && !i.o.Policy.MayReceive(response) {
		return false
	}
	if len(q.Topic) > 0 {
		return i.o.Policy.MayPublish(q.Topic)
	}
	lost := i.up.lost.has(alias) // the topic was judged when the broker heard of the alias
	return alias > 0 && !lost
}

// refusePublish drops a PUBLISH and answers it as the version allows.
func (i *Inspector) refusePublish(p *mqttio.Packet, q *mqttio.Publish) *Verdict {
	i.o.Counters.Denied(mqttio.TypePublish)
	if i.o.CloseDenied {
		return i.up.end(reason.PublishDenied, nil)
	}
	i.up.dropping = !p.Last
	if q.QoS == 2 && i.version != mqttio.V5 && !i.remember(&i.up.unsaid, q.PacketID, maxUnsaid) {
		return i.up.end(reason.PublishDenied, errTooManyLost)
	}
	return i.up.drop(i.forbidden(q, i.up.ack(), &i.up.passed))
}

// forbidden is the acknowledgement of a message that does not go on, behind those of the messages before it that did. In 3.x it says nothing
// of why. It is appended to buf.
func (i *Inspector) forbidden(q *mqttio.Publish, buf []byte, passed *leg.Counts) Answer {
	if q.QoS == 0 {
		return Answer{}
	}
	kind, t := leg.KindOf(q.QoS), mqttio.TypePuback
	if kind == leg.Pubrec {
		t = mqttio.TypePubrec
	}
	return Answer{mqttio.AppendAck(buf, t, i.version, q.PacketID, mqttio.CodeNotAuthorized), kind, passed[kind]}
}

// pubrel ends the QoS 2 exchange of a message that was dropped; the broker knows nothing of it.
func (i *Inspector) pubrel(p *mqttio.Packet) *Verdict {
	if i.up.unsaid.empty() {
		return nil
	}
	a, err := mqttio.ParseAck(p.Header, p.Bytes, i.version)
	if err != nil || !i.up.unsaid.has(a.PacketID) { // an error: it was checked
		return nil
	}
	i.up.unsaid.drop(a.PacketID)
	return i.up.drop(Answer{Packet: mqttio.AppendAck(i.up.ack(), mqttio.TypePubcomp, i.version, a.PacketID, 0)})
}

// unsubscribe passes UNSUBSCRIBE on with its filters below the mount. What the device cannot have subscribed to is unsubscribed from all the
// same: the broker has the answer to that.
func (i *Inspector) unsubscribe(p *mqttio.Packet) *Verdict {
	if i.mount == "" && i.subs == nil {
		return nil
	}
	u, err := mqttio.ParseUnsubscribe(p.Header, p.Bytes, i.version)
	if err != nil {
		return nil // it was checked
	}
	i.subs.unsubscribed(u)
	if i.mount == "" {
		return nil
	}
	return i.instead(i.mount.AppendUnsubscribe(leg.NewPacket(), p.Header, p.Bytes, u, i.most(mqttio.MaxWhole)))
}

package police

import (
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Down inspects a packet, or a part of one, from the broker, once that has accepted the device.
func (i *Inspector) Down(p *mqttio.Packet) *Verdict {
	switch {
	case i == nil:
		return nil
	case i.down.withholding:
		return i.withhold(p)
	case !p.First:
		return nil
	}
	switch p.Header.Type() {
	case mqttio.TypePublish:
		if i.mount != "" || i.down.judged {
			return i.message(p)
		}
	case mqttio.TypeSuback:
		return i.suback(p)
	case mqttio.TypePubrel:
		return i.release(p)
	}
	return nil
}

// message passes a message on as the device is to see it, or keeps it from the device.
func (i *Inspector) message(p *mqttio.Packet) *Verdict {
	v, q, err := i.version, &i.down.publish, error(nil)
	if *q, err = mqttio.ParsePublishHead(p.Header, p.Bytes, v); err == nil {
		_, _, err = q.Properties.ResponseTopic()
	}
	if err != nil {
		if i.takesAlias {
			return i.down.end(reason.BrokerMalformed, errBrokerAlias)
		}
		*q, _ = mqttio.ParsePublishHead(p.Header, p.Bytes, mqttio.V311) // topic and identifier were checked to be there
		return i.withholdMessage(p, q)
	}
	alias := uint16(0)
	if v == mqttio.V5 {
		alias = q.TopicAlias()
	}
	may := i.mayHave(q.Topic, alias)
	if alias > 0 && len(q.Topic) > 0 {
		if may {
			i.down.lost.drop(alias)
		} else if !i.remember(&i.down.lost, alias, maxLost) {
			return i.down.end(reason.BrokerMalformed, errTooManyWithheld)
		}
	}
	if !may {
		return i.withholdMessage(p, q)
	}
	if q.QoS > 0 {
		i.down.passed[leg.KindOf(q.QoS)]++
	}
	if i.mount != "" {
		return i.down.edit(i.mount.Down(p.Header, p.Bytes, v, q))
	}
	return nil
}

// mayHave reports whether the device may have a message with this topic, or with this alias where the topic is empty.
func (i *Inspector) mayHave(brokerTopic []byte, alias uint16) bool {
	if topic, inside := i.mount.Device(brokerTopic); len(topic) > 0 {
		return inside && (!i.down.judged || i.o.Policy.MayReceive(topic))
	}
	return len(brokerTopic) == 0 && alias > 0 && !i.down.lost.has(alias)
}

// withholdMessage keeps a message from the device, and answers the broker for it as the version allows: a message that nobody
// acknowledged would come again for ever.
func (i *Inspector) withholdMessage(p *mqttio.Packet, q *mqttio.Publish) *Verdict {
	i.o.Counters.Withheld()
	if q.QoS == 2 && i.version != mqttio.V5 && !i.remember(&i.down.untold, q.PacketID, maxUnsaid) {
		return i.down.end(reason.BrokerMalformed, errTooManyWithheld)
	}
	i.down.answer = i.forbidden(q, i.down.ack(), &i.down.passed)
	return i.withhold(p)
}

// withhold takes a packet, or a part of one, out of what goes to the device. With the last part goes the answer.
func (i *Inspector) withhold(p *mqttio.Packet) *Verdict {
	i.down.withholding = !p.Last
	answer := Answer{}
	if p.Last {
		answer, i.down.answer = i.down.answer, Answer{}
	}
	return i.down.drop(answer)
}

// release ends the QoS 2 exchange of a message that the device did not get.
func (i *Inspector) release(p *mqttio.Packet) *Verdict {
	if i.down.untold.empty() {
		return nil
	}
	a, err := mqttio.ParseAck(p.Header, p.Bytes, i.version)
	if err != nil || !i.down.untold.has(a.PacketID) { // an error: it was checked
		return nil
	}
	i.down.untold.drop(a.PacketID)
	return i.down.drop(Answer{Packet: mqttio.AppendAck(i.down.ack(), mqttio.TypePubcomp, i.version, a.PacketID, 0)})
}

package bridge

import (
	"errors"

	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// What the bridge itself looks for in packets, whatever the inspector says of them. A tap would stand in lookUp and lookDown: every packet,
// or part of one, comes by here, and what becomes of it is a verdict.

var errSecondConnect = errors.New("second CONNECT [MQTT-3.1.0-2]")

// lookUp looks at a packet, or a part of one, from the device. It reports whether the pump goes on.
func (s *session) lookUp(pkt *mqttio.Packet) bool {
	p := &s.up
	if !pkt.First {
		return s.inspect(p, pkt)
	}
	t := pkt.Header.Type()
	p.to.Pass(t)
	switch t {
	case mqttio.TypeConnect:
		return s.refuse(p, pkt, reason.Protocol, errSecondConnect)
	case mqttio.TypeDisconnect:
		s.leaving.Store(true) // the broker may close before we are back from telling it
		p.to.Last()
		s.flush(p)
		s.end(reason.Disconnect, nil)
		return false
	case mqttio.TypeSubscribe:
		s.traceSubscribe(pkt)
		if suback := police.TooManyFilters(pkt, s.connect.version, s.b.limits().SubscribeFilters); suback != nil {
			s.b.metrics.exceeded(police.QuotaFilters)
			s.omit(p, pkt)
			return s.answer(p, police.Answer{Packet: suback})
		}
		return s.inspectFilters(pkt)
	case mqttio.TypeUnsubscribe:
		return s.inspectFilters(pkt)
	}
	return s.inspect(p, pkt)
}

// inspect has the inspector look at a packet, or a part of one, and does what it says.
func (s *session) inspect(p *pump, pkt *mqttio.Packet) bool {
	var v *police.Verdict
	if p == &s.up {
		v = s.inspector.Up(pkt)
	} else {
		v = s.inspector.Down(pkt)
	}
	return v == nil || s.obey(p, pkt, v)
}

// lookDown looks at a packet, or a part of one, from the broker. It reports whether the pump goes on.
func (s *session) lookDown(pkt *mqttio.Packet) bool {
	p := &s.down
	if !pkt.First {
		return s.inspect(p, pkt)
	}
	t := pkt.Header.Type()
	p.to.Pass(t)
	if stage(s.stage.Load()) != stageOnline {
		return s.lookAnswer(pkt)
	}
	switch t {
	case mqttio.TypeConnack:
		return s.refuse(p, pkt, reason.BrokerMalformed, errSecondConnack)
	case mqttio.TypeDisconnect: // MQTT 5 only
		err := disconnectError(pkt, s.connect.version) // before the packet's bytes are given back
		p.to.Last()                                    // [MQTT-3.14.4-1]
		s.flush(p)
		s.end(reason.BrokerDisconnect, err)
		return false
	}
	return s.inspect(p, pkt)
}

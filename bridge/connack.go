package bridge

import (
	"errors"
	"fmt"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// inspectDown looks at a packet from the broker. It reports whether the pump goes on.
func (s *session) inspectDown(p *mqttio.Packet) bool {
	kind := p.Header.Type()
	if stage(s.stage.Load()) != stageOnline {
		return s.inspectAnswer(p)
	}
	switch kind {
	case mqttio.TypeConnack:
		s.dropDown(p) // what came before it was good
		s.end(reason.BrokerMalformed, errSecondConnack)
		return false
	case mqttio.TypeDisconnect: // MQTT 5 only
		err := disconnectError(p, s.connect.version) // before the packet's bytes are given back
		s.flushDown()
		s.end(reason.BrokerDisconnect, err)
		return false
	}
	return true
}

var (
	errSecondConnack = errors.New("second CONNACK")
	errNotConnack    = errors.New("the broker's first packet is neither CONNACK nor AUTH")
)

// inspectAnswer looks at what the broker says to CONNECT: CONNACK, or AUTH in an MQTT 5 enhanced authentication.
func (s *session) inspectAnswer(p *mqttio.Packet) bool {
	switch p.Header.Type() {
	case mqttio.TypeAuth: // an answer to CONNECT [MQTT-4.12.0-2]: what is late from now on may be the device's part
		s.brokerAnswered()
		return true
	case mqttio.TypeConnack:
	default:
		s.end(reason.BrokerMalformed, errNotConnack)
		return false
	}
	ack, err := mqttio.ParseConnack(p.Bytes, s.connect.version)
	if err != nil {
		s.end(reason.BrokerMalformed, err)
		return false
	}
	s.brokerAnswered()
	if ack.Code != 0 {
		s.flushDown()
		s.end(reason.BrokerRefused, fmt.Errorf("CONNACK %s", mqttio.ConnackText(ack.Code, s.connect.version)))
		return false
	}
	if s.quota != nil {
		if why := s.quota.Accepted(); why != nil { // the device gets a CONNACK of the bridge's instead
			s.dropDown(p)
			s.end(why, nil)
			return false
		}
	}
	if ack.HasServerKeepAlive {
		s.setKeepAlive(ack.ServerKeepAlive) // [MQTT-3.1.2-21]
		s.leaveSilenceToMQTT(drive.DeviceEnd)
		s.leaveSilenceToMQTT(drive.BrokerEnd)
	}
	s.b.metrics.connects.Observe((s.b.now() - s.began).Seconds())
	if s.policed != nil {
		s.policed.accepted(&ack, s.connect.version)
	}
	s.traceBegan()
	s.accepted, s.connect.username = true, ""
	return s.flushDown() // what the device is told from now on depends on whether it has CONNACK
}

// brokerAnswered notes that the broker has answered CONNECT; the first answer counts.
func (s *session) brokerAnswered() {
	if s.broker.Outcome.Answered() {
		s.broker.metrics.answered(s.b.now() - s.asked)
	}
}

// setKeepAlive says how long the device may be silent: one and a half times its keep alive [MQTT-3.1.2-22], and the grace.
func (s *session) setKeepAlive(seconds uint16) {
	silence := s.b.limits().IdleTimeout
	if seconds > 0 {
		silence = time.Duration(seconds)*time.Second*3/2 + s.b.limits().KeepAliveGrace
	}
	s.keepAlive.Store(int64(silence))
	s.keepAliveSet.Store(seconds > 0)
}

// disconnectError tells the reason code of a DISCONNECT, for the log.
func disconnectError(p *mqttio.Packet, v mqttio.Version) error {
	d, err := mqttio.ParseDisconnect(p.Header, p.Bytes, v)
	if err != nil {
		return err
	}
	return fmt.Errorf("DISCONNECT %s", mqttio.CodeText(d.Code))
}

package bridge

import (
	"errors"
	"fmt"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

var (
	errSecondConnack = errors.New("second CONNACK")
	errNotConnack    = errors.New("the broker's first packet is neither CONNACK nor AUTH")
)

// lookAnswer looks at what the broker says to CONNECT: CONNACK, or AUTH in an MQTT 5 enhanced authentication.
func (s *session) lookAnswer(p *mqttio.Packet) bool {
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
	if ack.Code != 0 && oldForm(p, s.connect.version) { // the device gets a CONNACK of the bridge's instead
		return s.refuse(&s.down, p, reason.BrokerRefused, fmt.Errorf("%w: %s", errOldForm, mqttio.ConnackText(ack.Code, mqttio.V311)))
	}
	if ack.Code != 0 {
		s.flush(&s.down)
		s.end(reason.BrokerRefused, fmt.Errorf("CONNACK %s", mqttio.ConnackText(ack.Code, s.connect.version)))
		return false
	}
	if s.quota != nil {
		if why := s.quota.Accepted(); why != nil { // the device gets a CONNACK of the bridge's instead
			return s.refuse(&s.down, p, why, nil)
		}
	}
	if ack.HasServerKeepAlive {
		s.setKeepAlive(ack.ServerKeepAlive) // [MQTT-3.1.2-21]
		s.leaveSilenceToMQTT(drive.DeviceEnd)
		s.leaveSilenceToMQTT(drive.BrokerEnd)
	}
	s.b.metrics.connects.Observe((s.b.now() - s.began).Seconds())
	s.inspector.Accepted(&ack)
	s.toBroker.SetMost(ack.MaximumPacketSize)
	s.traceBegan()
	s.connect.username = ""
	s.toDevice.Opens(s.online)
	if !s.flush(&s.down) {
		return false
	}
	s.memory.accept()
	s.rouse() // who waits may have moved to the other share
	return true
}

// online notes that the device has CONNACK, which decides what it can be told from now on.
func (s *session) online() { s.enter(stageOnline, 0) }

var errOldForm = errors.New("the broker does not speak MQTT 5: it answers with the CONNACK of MQTT 3.1.1")

// oldForm reports whether a CONNACK has the form of 3.1.1, without the length of properties that MQTT 5 demands [MQTT-3.2.2-1]. A broker
// that knows 3.1.1 alone refuses CONNECT of MQTT 5 so, with code 1 [MQTT-3.1.2-2 of 3.1.1]. To a client of MQTT 5 that is malformed.
func oldForm(p *mqttio.Packet, v mqttio.Version) bool {
	return v == mqttio.V5 && p.Whole() && len(p.Bytes) == p.Header.Len+2
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

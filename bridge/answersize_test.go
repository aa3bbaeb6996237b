package bridge_test

import (
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// accepted brings a device with this CONNECT online, which the broker answers so.
func (s *scene) accepted(hello, ack []byte) {
	s.t.Helper()
	s.upgrade()
	s.dev.send(hello)
	s.br = s.broker()
	s.br.expect(hello)
	s.br.send(ack)
	s.dev.expect(ack)
}

// taking brings a device of MQTT 5 with a policy online that takes packets of so many bytes.
func taking(t testing.TB, most byte, policy police.Policy) *scene {
	t.Helper()
	s := &scene{rig: newRig(t, nil), v: mqttio.V5}
	s.pass.Policy = policy
	s.accepted(connect(s.v, "c", 60, 0x27, 0, 0, 0, most), connack(s.v))
	return s
}

// TestAnswersFitTheDevice: a device never gets more than it takes [MQTT-3.1.2-24]. A SUBACK that two made loses what the broker says beside
// the codes [MQTT-3.9.2-1]; where the codes alone are too many the device is told that, as far as that fits.
func TestAnswersFitTheDevice(t *testing.T) {
	const asked, passed = "0002'ok' 00 0002'no' 00 0002'no' 00 0002'no' 00", "0002'ok' 00"
	tooLarge := ended{reason: "answer-too-large", code: 1009, level: "WARN", metric: "session_ends_total", packets: hx("E0 02 95 00")}
	for name, test := range map[string]func(s *scene){
		"properties are left out": func(s *scene) {
			s.exchange("SUBSCRIBE", packet(0x82, hx("0001 00"+asked)), packet(0x82, hx("0001 00"+passed)), nil)
			s.answer(packet(0x90, hx("0001 04 1F 0001'r' 01")), packet(0x90, hx("0001 00 01878787")))
		},
		"properties that fit stay": func(s *scene) {
			s.exchange("SUBSCRIBE", packet(0x82, hx("0001 00 0002'ok' 00 0002'no' 00")), packet(0x82, hx("0001 00"+passed)), nil)
			s.answer(packet(0x90, hx("0001 00 01")), packet(0x90, hx("0001 00 0187")))
		},
		"too many codes, in part": func(s *scene) {
			s.exchange("SUBSCRIBE", packet(0x82, hx("0001 00"+asked+"0002'no' 00")), packet(0x82, hx("0001 00"+passed)), nil)
			s.br.send(packet(0x90, hx("0001 00 01")))
			s.check(tooLarge)
		},
		"too many codes": func(s *scene) {
			s.dev.send(packet(0x82, hx("0001 00 0002'no'00 0002'no'00 0002'no'00 0002'no'00 0002'no'00")))
			s.check(tooLarge)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(taking(t, 9, &policyFake{})) })
		})
	}
}

// TestAcknowledgementsFitTheDevice: one that says that nobody got the message cannot be made shorter.
func TestAcknowledgementsFitTheDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := taking(t, 4, &policyFake{})
		s.dev.send(publishOf(s.v, 0x32, "no", 0x102, "", ""))
		s.check(ended{reason: "answer-too-large", code: 1009, level: "WARN", metric: "session_ends_total", packets: hx("E0 02 95 00")})
	})
}

// TestUnsubscribeFitsTheBroker: UNSUBSCRIBE grows below a mount as SUBSCRIBE does, for which the table of reasons has a case [MQTT-3.2.2-15].
func TestUnsubscribeFitsTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.pass.Policy = openPolicy(testMount)
		s.accepted(s.connect(), connack(s.v, hx("27 0000000F")...))
		s.dev.send(packet(0xA2, hx("0001 00 0005'abcde'")))
		s.check(ended{reason: "broker-packet-size", code: 1009, level: "WARN", metric: "session_ends_total",
			packets: disconnect(s.v, 0x95, reason.BrokerPacketSize.String())})
	})
}

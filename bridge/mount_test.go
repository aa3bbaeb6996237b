package bridge_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

const testMount = "t/a/"

// mountedScene is a device below testMount that may do everything there, online.
func mountedScene(t testing.TB, v mqttio.Version) *scene {
	s := &scene{rig: newRig(t, nil), v: v}
	s.pass.Policy = openPolicy(testMount)
	s.online()
	return s
}

// message has the broker send packets and holds what both ends get against what they shall, as exchange does the other way.
func (s *scene) message(what string, send, device, broker []byte) {
	s.t.Helper()
	s.br.send(send, hx("D000"))
	s.dev.expect(append(bytes.Clone(device), 0xD0, 0))
	s.dev.send(hx("C000"))
	s.br.expect(append(bytes.Clone(broker), 0xC0, 0))
	if s.t.Failed() {
		s.t.Fatalf("in %s", what)
	}
}

// in5 makes bytes of the one in MQTT 5 and of the other before.
func (s *scene) in5(with, without string) []byte {
	if s.v == mqttio.V5 {
		return hx(with)
	}
	return hx(without)
}

func TestMountUp(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := mountedScene(t, v)
		up := func(first byte, topic string, payload string) (sent, seen []byte) {
			return publishOf(v, first, topic, 0x102, "", payload), publishOf(v, first, testMount+topic, 0x102, "", payload)
		}
		refused := s.in5("4003 0102 87", "4002 0102")
		over, _ := up(0x32, strings.Repeat("t", 65536-len(testMount)), "x")
		s.exchange("a topic that gets too long", over, nil, refused)
		dollar, _ := up(0x32, "$SYS/x", "x")
		s.exchange("a topic of the broker's own", dollar, nil, refused)
		var sent, seen []byte
		for _, first := range []byte{0x30, 0x31, 0x32, 0x3A, 0x34, 0x3D} {
			a, b := up(first, "x/y", "payload")
			s.exchange(fmt.Sprintf("%02x", first), a, b, nil)
			sent, seen = append(append(sent, a...), 0xC0, 0), append(append(seen, b...), 0xC0, 0)
		}
		s.exchange("many at once, between others", bytes.Repeat(sent, 60), bytes.Repeat(seen, 60), nil)
		long, longSeen := up(0x32, "x", strings.Repeat("p", 200_000))
		s.exchange("long", append(bytes.Clone(sent), long...), append(bytes.Clone(seen), longSeen...), nil)
		medium, mediumSeen := up(0x32, "x", strings.Repeat("p", 20_000))
		s.exchange("medium", bytes.Repeat(medium, 8), bytes.Repeat(mediumSeen, 8), nil)
		largest, largestSeen := up(0x32, "x", strings.Repeat("p", mqttio.MaxWhole-12))
		s.exchange("as long as can be held", slices.Concat(sent, largest, sent), slices.Concat(seen, largestSeen, seen), nil)
		fits, fitsSeen := up(0x32, strings.Repeat("t", 65535-len(testMount)), "x")
		s.exchange("the longest topic", fits, fitsSeen, nil)
		if n := s.packets("denied_total", "PUBLISH", ""); n != 2 {
			t.Errorf("%v denied", n)
		}
	})
}

func TestMountDown(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := mountedScene(t, v)
		down := func(first byte, topic, payload string) []byte { return publishOf(v, first, topic, 0x102, "", payload) }
		inside := slices.Concat(hx("D000"), down(0x31, testMount+"x", "p"), down(0x30, testMount+"x/$y", "p"), hx("D000"))
		seen := slices.Concat(hx("D000"), down(0x31, "x", "p"), down(0x30, "x/$y", "p"), hx("D000"))
		s.message("inside", bytes.Repeat(inside, 100), bytes.Repeat(seen, 100), nil)
		long := strings.Repeat("p", 200_000)
		s.message("long", slices.Concat(inside, down(0x30, testMount+"x", long), inside), slices.Concat(seen, down(0x30, "x", long), seen), nil)
		puback, pubrec := s.in5("4003 0102 87", "4002 0102"), s.in5("5003 0102 87", "5002 0102")
		for _, topic := range []string{"t/b/x", "t/a", "t/a/", "t/a/$SYS/x", "x", "$SYS/x", "t/ab/x"} {
			s.message(topic, slices.Concat(inside, down(0x30, topic, "p"), inside), slices.Concat(seen, seen), nil)
			s.message(topic+" QoS 1", slices.Concat(inside, down(0x32, topic, "p"), inside), slices.Concat(seen, seen), puback)
			s.message(topic+" QoS 2", slices.Concat(inside, down(0x34, topic, "p"), inside), slices.Concat(seen, seen), pubrec)
		}
		if v != mqttio.V5 {
			s.message("PUBREL", slices.Concat(inside, hx("6202 0102"), inside), slices.Concat(seen, seen), hx("7002 0102"))
		}
		s.message("PUBREL of the device's", hx("6202 0102"), hx("6202 0102"), nil)
		s.message("long outside", slices.Concat(inside, down(0x32, "t/b/x", long), inside), slices.Concat(seen, seen), puback)
		if n := s.single("withheld_total"); n != 22 {
			t.Errorf("%v messages counted as withheld", n)
		}
	})
}

// What is said to the broker for a message that the device does not get waits until a long packet of the device's is whole.
func TestWithheldAnswerWaits(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := mountedScene(t, v)
		long := publishOf(v, 0x30, "x", 0, "", strings.Repeat("p", 200_000))
		seen := publishOf(v, 0x30, testMount+"x", 0, "", strings.Repeat("p", 200_000))
		s.dev.send(long[:150_000])
		s.br.expect(seen[:128<<10])
		s.br.send(publishOf(v, 0x32, "t/b/x", 0x102, "", "p"), publishOf(v, 0x32, "t/b/x", 0x103, "", "p"))
		synctest.Wait()
		s.dev.send(long[150_000:])
		s.br.expect(seen[128<<10:])
		s.br.expect(s.in5("4003 0102 87 4003 0103 87", "4002 0102 4002 0103"))
		// One that is being dropped is nothing to wait for, even if it was found behind another packet, as here where that was cut in a
		// large buffer.
		s.dev.send(publishOf(v, 0x30, "x", 0, "", strings.Repeat("p", 40_000)), []byte{0xC0})
		s.br.expect(publishOf(v, 0x30, testMount+"x", 0, "", strings.Repeat("p", 40_000)))
		synctest.Wait()
		forbidden := publishOf(v, 0x30, "$x", 0, "", strings.Repeat("p", 200_000))
		s.dev.send([]byte{0}, forbidden[:66_000])
		s.br.expect(hx("C000"))
		synctest.Wait()
		s.br.send(publishOf(v, 0x32, "t/b/x", 0x102, "", "p"))
		s.br.expect(s.in5("4003 0102 87", "4002 0102"))
	})
}

// TestWithheldAnswersKeepTheirOrder: nor do they towards the broker.
func TestWithheldAnswersKeepTheirOrder(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := mountedScene(t, v)
		pub := func(topic string, id uint16) []byte { return publishOf(v, 0x32, topic, id, "", "x") }
		s.message("three", slices.Concat(pub("t/a/x", 1), pub("t/b/x", 2), pub("t/a/x", 3), pub("t/b/x", 4)), slices.Concat(pub("x", 1), pub("x", 3)), nil)
		s.dev.send(hx("4002 0001"))
		s.br.expect(append(hx("4002 0001"), s.in5("4003 0002 87", "4002 0002")...))
		s.dev.send(hx("4002 0003"))
		s.br.expect(append(hx("4002 0003"), s.in5("4003 0004 87", "4002 0004")...))
	})
}

func TestMountSubscribe(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := mountedScene(t, v)
		properties, code := "", "80"
		if v == mqttio.V5 {
			properties, code = "02 0B07", "87"
		}
		request := func(first byte, rest string) []byte {
			if v == mqttio.V5 && first == 0xA2 {
				rest = "00" + rest
			} else {
				rest = properties + rest
			}
			return packet(first, hx("0102"+rest))
		}
		s.exchange("SUBSCRIBE", append(hx("C000"), request(0x82, "0001'#'00 0003'+/x'01 000A'$share/g/#'02")...),
			append(hx("C000"), request(0x82, "0005't/a/#'00 0007't/a/+/x'01 000E'$share/g/t/a/#'02")...), nil)
		s.exchange("in part", request(0x82, "0006'$SYS/#'00 0001'x'01 000F'$share/g/$SYS/#'02"), request(0x82, "0005't/a/x'01"), nil)
		suback := hx("9004 0102 00 01")
		if v == mqttio.V5 {
			suback = hx("9004 0102 00 01")
			s.message("SUBACK", hx("9004 0102 00 01"), hx("9006 0102 00 87 01 87"), nil)
		} else {
			s.message("SUBACK", hx("9003 0102 01"), hx("9005 0102 80 01 80"), nil)
		}
		s.message("SUBACK of the whole", suback, suback, nil)
		answer := packet(0x90, s.in5("0102 00"+code+code, "0102"+code+code))
		s.exchange("nothing of it", request(0x82, "0006'$SYS/#'00 000F'$share/g/$SYS/#'02"), nil, answer)
		s.exchange("UNSUBSCRIBE", request(0xA2, "0001'#' 0006'$SYS/#' 000A'$share/g/#'"), request(0xA2, "0005't/a/#' 0005't/a/$' 000E'$share/g/t/a/#'"), nil)
		many := strings.Repeat("0001'x'", 15_000)
		s.dev.send(request(0xA2, many))
		s.check(ended{reason: "control-packet-too-large", code: 1009, level: "WARN", metric: "session_ends_total",
			packets: disconnect(v, 0x95, reason.ControlPacketTooLarge.String())})
	})
}

// TestMountAliases: an alias stands for what the device heard of it, never for what was kept from it.
func TestMountAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V5
		s := mountedScene(t, v)
		set := func(topic string, alias int) []byte {
			return publishOf(v, 0x30, topic, 0, fmt.Sprintf("23 %04X", alias), "x")
		}
		s.exchange("up", append(set("x", 1), set("", 1)...), append(set("t/a/x", 1), set("", 1)...), nil)
		s.exchange("forbidden", append(set("$x", 1), set("", 1)...), nil, nil)
		s.message("down", append(set("t/a/x", 1), set("", 1)...), append(set("x", 1), set("", 1)...), nil)
		s.message("outside", append(set("t/b/x", 1), set("", 1)...), nil, nil)
		s.message("another", append(set("t/b/x", 2), set("", 2)...), nil, nil)
		s.message("inside again", append(set("t/a/y", 1), set("", 1)...), append(set("y", 1), set("", 1)...), nil)
		s.message("never heard of", set("", 3), set("", 3), nil)
	})
}

// TestResponseTopics: a response topic is the device's own, and one that it may not subscribe to makes the message forbidden.
func TestResponseTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V5
		with := func(topic, response string) []byte {
			return publishOf(v, 0x32, topic, 0x102, fmt.Sprintf("08%04X'%s'", len(response), response), "x")
		}
		s := mountedScene(t, v)
		s.exchange("of the broker's own", with("x", "$r"), nil, hx("4003 0102 87"))
		s.exchange("empty", with("x", ""), nil, hx("4003 0102 87"))
		s.exchange("up", with("x", "r"), with("t/a/x", "t/a/r"), nil)
		s.message("down", with("t/a/x", "t/a/r"), with("x", "r"), nil)
		s.message("down, from elsewhere", with("t/a/x", "t/b/r"), publishOf(v, 0x32, "x", 0x102, "", "x"), nil)

		s = policedScene(t, v)
		s.exchange("forbidden", with("ok", "no"), nil, hx("4003 0102 87"))
		s.exchange("shared", with("ok", "$share/g/ok"), nil, hx("4003 0102 87"))
		alias := func(topic, response string) []byte {
			return publishOf(v, 0x30, topic, 0, fmt.Sprintf("230001 08%04X'%s'", len(response), response), "x")
		}
		s.exchange("with an alias that the broker did not hear of", append(alias("ok", "no"), alias("", "ok")...), nil, nil)
		s.exchange("with an alias", slices.Concat(alias("ok", "ok"), alias("", "no"), alias("", "ok")), append(alias("ok", "ok"), alias("", "ok")...), nil)
		s.exchange("long", publishOf(v, 0x32, "ok", 0x102, "08 0002'no'", strings.Repeat("x", 150_000)), nil, hx("4003 0102 87"))
		s.exchange("allowed", with("ok", "ok/r"), with("ok", "ok/r"), nil)
		// Of two response topics a broker might take the other.
		s.dev.send(publishOf(v, 0x32, "ok", 0x102, "08 0002'no' 08 0002'ok'", strings.Repeat("x", 150_000)))
		s.check(ended{reason: "packet-protocol", code: 1002, level: "WARN", metric: "session_ends_total",
			packets: disconnect(v, 0x82, reason.Protocol.String())})
	})
}

// A message that gets larger than the broker takes is forbidden like others: the broker would end the connection.
func TestMountAndMaximumPacketSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.pass.Policy = openPolicy(testMount)
		s.dialled()
		ack := connack(s.v, hx("27 00000010")...)
		s.br.send(ack)
		s.dev.expect(ack)
		s.exchange("17 bytes", publishOf(s.v, 0x32, "x", 1, "", "12345"), nil, hx("4003 0001 87"))
		s.exchange("16 bytes", publishOf(s.v, 0x32, "x", 1, "", "1234"), publishOf(s.v, 0x32, "t/a/x", 1, "", "1234"), nil)
	})
}

// TestMalformedPropertiesDown: a message whose properties cannot be read is not passed on below a mount, and if it might set an
// alias the session ends.
func TestMalformedPropertiesDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := publishOf(mqttio.V5, 0x32, "t/a/x", 0x102, "FF", "x")
		s := mountedScene(t, mqttio.V5)
		s.message("without aliases", bad, nil, hx("4003 0102 87"))
		s = &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.pass.Policy = openPolicy(testMount)
		s.upgrade()
		s.dev.send(connect(s.v, "c", 60, hx("22 000A")...))
		s.br = s.broker()
		s.br.expect(connect(s.v, "c", 60, hx("22 000A")...))
		s.br.send(connack(s.v))
		s.dev.expect(connack(s.v))
		s.br.send(bad)
		s.check(ended{reason: "broker-malformed", code: 1011, level: "WARN", metric: "session_ends_total",
			packets: disconnect(s.v, reason.BrokerMalformed.Disconnect, reason.BrokerMalformed.String())})
	})
}

// TestResumedSession: subscriptions that the broker has kept were judged by other rules, or by none; what they bring is judged.
func TestResumedSession(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		for _, resumed := range []bool{true, false} {
			s := &scene{rig: newRig(t, nil), v: v}
			s.pass.Policy = &policyFake{}
			if resumed {
				s.resume()
			} else {
				s.online()
			}
			good, bad := publishOf(v, 0x30, "ok/x", 0, "", "x"), publishOf(v, 0x32, "no/x", 0x102, "", "x")
			s.message("allowed", good, good, nil)
			if resumed {
				s.message("forbidden", slices.Concat(good, bad, good), append(bytes.Clone(good), good...), s.in5("4003 0102 87", "4002 0102"))
				continue
			}
			s.message("of this session's own", bad, bad, nil)
		}
	})
}

// resume is online for a device whose broker has kept its session.
func (s *scene) resume() {
	s.t.Helper()
	s.upgrade()
	hello, ack := s.connect(), connack(s.v)
	hello[bytes.Index(hello, []byte{byte(s.v), 2})+1] = 0
	if s.v != mqttio.V31 {
		ack[2] = 1
	}
	s.dev.send(hello)
	s.br = s.broker()
	s.br.expect(hello)
	s.br.send(ack)
	s.dev.expect(ack)
}

// TestResumedSessionWithoutRules: where every topic is allowed messages are not looked at, and what cannot be read passes as it came.
func TestResumedSessionWithoutRules(t *testing.T) {
	for name, pass := range map[string]bridge.Pass{
		"a quota alone":          {},
		"a policy without rules": {Policy: &policyFake{terms: police.Terms{ReceivesAll: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				s := &scene{rig: newRig(t, withSubscriptions(2)), v: v}
				s.pass = pass
				s.resume()
				odd := publishOf(v, 0x32, "no/x", 0x102, "FF", "x")
				s.message("unreadable properties", odd, odd, nil)
			})
		})
	}
}

// What a broker can make the bridge remember is bounded.
func TestWithheldMemoryIsBounded(t *testing.T) {
	for name, one := range map[string]func(i int) []byte{
		"aliases": func(i int) []byte { return publishOf(mqttio.V5, 0x30, "no", 0, fmt.Sprintf("23 %04X", i), "") },
		"QoS 2":   func(i int) []byte { return publishOf(mqttio.V311, 0x34, "no", uint16(i), "", "") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := mqttio.V5
				if name == "QoS 2" {
					v = mqttio.V311
				}
				s := mountedScene(t, v)
				for i := 1; i <= 1025; i++ {
					s.br.send(one(i))
				}
				if h := s.dev.rest(); h.code != 1011 {
					t.Errorf("device hears %v", h)
				}
				s.settled()
			})
		})
	}
}

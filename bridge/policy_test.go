package bridge_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// policyFake allows the topics and filters that begin with "ok".
type policyFake struct {
	refuse bool
	terms  police.Terms
	asked  []string
}

func (p *policyFake) Connect([]byte, *mqttio.Connect) (police.Terms, error) {
	if p.refuse {
		return police.Terms{}, errors.New("the policy says no")
	}
	return p.terms, nil
}

func (p *policyFake) MayPublish(topic []byte) bool {
	p.asked = append(p.asked, string(topic))
	return bytes.HasPrefix(topic, []byte("ok"))
}

func (p *policyFake) MaySubscribe(filter []byte) bool { return bytes.HasPrefix(filter, []byte("ok")) }

func (p *policyFake) MayReceive(topic []byte) bool { return bytes.HasPrefix(topic, []byte("ok")) }

func passWith(p police.Policy) func() bridge.Pass {
	return func() bridge.Pass { return bridge.Pass{Policy: p} }
}

// expiring is a pass for half a minute, which is less than the keep alive of the scripts.
func expiring() bridge.Pass { return bridge.Pass{Expires: time.Now().Add(30 * time.Second)} }

// policedScene is a device with a policy, online.
func policedScene(t testing.TB, v mqttio.Version) *scene {
	s := &scene{rig: newRig(t, nil), v: v}
	s.pass.Policy = &policyFake{}
	s.online()
	return s
}

// exchange has the device send packets and holds what both ends get against what they shall. A PINGREQ behind the packets, and
// its answer, show where these end.
func (s *scene) exchange(what string, send, broker, device []byte) {
	s.t.Helper()
	s.dev.send(send, hx("C000"))
	s.br.expect(append(bytes.Clone(broker), 0xC0, 0))
	if len(device) > 0 {
		s.dev.expect(device)
	}
	s.br.send(hx("D000"))
	s.dev.expect(hx("D000"))
	if s.t.Failed() {
		s.t.Fatalf("in %s", what)
	}
}

// publishOf makes a PUBLISH of any QoS. properties are those of MQTT 5.
func publishOf(v mqttio.Version, first byte, topic string, id uint16, properties string, payload string) []byte {
	head := text(topic)
	if first&6 != 0 {
		head = append(head, byte(id>>8), byte(id))
	}
	if v == mqttio.V5 {
		p := hx(properties)
		head = append(append(head, byte(len(p))), p...)
	}
	return packet(first, head, []byte(payload))
}

func TestForbiddenPublish(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := policedScene(t, v)
		in5 := func(with, without string) []byte {
			if v == mqttio.V5 {
				return hx(with)
			}
			return hx(without)
		}
		good := publish(v, "ok", "x")
		s.exchange("QoS 0", publish(v, "no", "x"), nil, nil)
		s.exchange("QoS 0 between others", bytes.Join([][]byte{good, publish(v, "no", "x"), good, publish(v, "no", "y"), publish(v, "no", "z"), good}, nil),
			bytes.Repeat(good, 3), nil)
		s.exchange("QoS 1", publishOf(v, 0x32, "no", 0x102, "", "x"), nil, in5("4003 0102 87", "4002 0102"))
		s.exchange("QoS 2", publishOf(v, 0x34, "no", 0x103, "", "x"), nil, in5("5003 0103 87", "5002 0103"))
		if v != mqttio.V5 {
			s.exchange("QoS 2 again", publishOf(v, 0x3C, "no", 0x103, "", "x"), nil, hx("5002 0103"))
			s.exchange("PUBREL", hx("6202 0103"), nil, hx("7002 0103"))
		}
		s.exchange("PUBREL of the broker's", hx("6202 0103"), hx("6202 0103"), nil)
		allowed := publishOf(v, 0x34, "ok/1", 0x104, "", "x")
		s.exchange("QoS 2 allowed", allowed, allowed, nil)
		if n := s.packets("denied_total", "PUBLISH", ""); n < 6 {
			t.Errorf("%v denied", n)
		}
		if sum := s.packets("packets_total", "up", "PUBLISH"); sum != 4 {
			t.Errorf("%v packets counted as forwarded, want 4", sum)
		}
	})
}

// A long PUBLISH that is forbidden is dropped to its last byte, and one that is allowed streams through.
func TestForbiddenLongPublish(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := policedScene(t, v)
		long := strings.Repeat("x", 150_000)
		ack := hx("4002 0102")
		if v == mqttio.V5 {
			ack = hx("4003 0102 87")
		}
		s.exchange("forbidden", publishOf(v, 0x32, "no", 0x102, "", long), nil, ack)
		good := publishOf(v, 0x30, "ok", 0, "", long)
		s.exchange("allowed", good, good, nil)
		s.exchange("forbidden behind another", append(hx("C000"), publishOf(v, 0x32, "no", 0x102, "", long)...), hx("C000"), ack)
	})
}

func TestRetainForbidden(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass = bridge.Pass{Policy: &policyFake{}, NoRetain: true}
		s.online()
		good := publish(v, "ok", "x")
		s.exchange("retained", append(publishOf(v, 0x31, "ok", 0, "", "x"), good...), good, nil)
	})
}

func TestRetainedWillForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.pass = bridge.Pass{Policy: &policyFake{}, NoRetain: true}
		s.upgrade()
		s.dev.send(packet(0x10, hx("0004'MQTT' 04 26 003C 0001'c' 0002'ok' 0001'x'")))
		s.check(ended{reason: "not-authorized", code: 1008, packets: hx("20020005"), level: "INFO", metric: "refusals_total"})
	})
}

// TestTopicAliases: an alias stands for what the broker heard of it, never for what was kept from it.
func TestTopicAliases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V5
		s := policedScene(t, v)
		set := func(topic string, alias int) []byte {
			return publishOf(v, 0x30, topic, 0, fmt.Sprintf("23 %04X", alias), "x")
		}
		s.exchange("allowed", append(set("ok/1", 1), set("", 1)...), append(set("ok/1", 1), set("", 1)...), nil)
		s.exchange("forbidden", append(set("no", 2), set("", 2)...), nil, nil)
		s.exchange("the first is what it was", set("", 1), set("", 1), nil)
		// Behind the bridge alias 1 is still ok/1: a message that is meant for "no" must not go there.
		s.exchange("another topic under the same alias", append(set("no", 1), set("", 1)...), nil, nil)
		s.exchange("and a good one again", append(set("ok/2", 1), set("", 1)...), append(set("ok/2", 1), set("", 1)...), nil)
		s.exchange("retain is looked at by itself", set("", 1), set("", 1), nil)
	})
}

// What a device can make the bridge remember is bounded.
func TestPolicyMemoryIsBounded(t *testing.T) {
	for name, one := range map[string]func(v mqttio.Version, i int) []byte{
		"aliases": func(v mqttio.Version, i int) []byte {
			return publishOf(v, 0x30, "no", 0, fmt.Sprintf("23 %04X", i), "")
		},
		"QoS 2": func(v mqttio.Version, i int) []byte { return publishOf(v, 0x34, "no", uint16(i), "", "") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := mqttio.V5
				if name == "QoS 2" {
					v = mqttio.V311
				}
				s := policedScene(t, v)
				for i := 1; i <= 1025; i++ {
					s.dev.send(one(v, i))
				}
				if h := s.dev.rest(); h.code != 1008 {
					t.Errorf("device hears %v", h)
				}
				s.settled()
			})
		})
	}
}

func TestForbiddenSubscribe(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := policedScene(t, v)
		properties, code := "", "80"
		if v == mqttio.V5 {
			properties, code = "00", "87"
		}
		subscribe := func(id, filters string) []byte { return packet(0x82, hx(id+properties+filters)) }
		suback := func(id, codes string) []byte { return packet(0x90, hx(id+properties+codes)) }
		s.exchange("allowed", subscribe("0001", "0002'ok' 01"), subscribe("0001", "0002'ok' 01"), nil)
		s.br.send(suback("0001", "01"))
		s.dev.expect(suback("0001", "01"))
		s.exchange("forbidden", subscribe("0002", "0002'no' 01 0001'#' 00"), nil, suback("0002", code+code))
		s.exchange("in part", append(hx("C000"), subscribe("0003", "0002'no' 01 0002'ok' 02 0001'#' 00 0003'ok2' 00")...),
			append(hx("C000"), subscribe("0003", "0002'ok' 02 0003'ok2' 00")...), nil)
		s.exchange("another before the answer", subscribe("0004", "0002'ok' 02 0002'no' 00"), subscribe("0004", "0002'ok' 02"), nil)
		s.br.send(hx("D000"), suback("0004", "02"), hx("D000"), suback("0003", "0200"), hx("D000"))
		s.dev.expect(bytes.Join([][]byte{hx("D000"), suback("0004", "02"+code), hx("D000"), suback("0003", code+"02"+code+"00"), hx("D000")}, nil))
		s.exchange("the identifier again", subscribe("0003", "0002'ok' 01"), subscribe("0003", "0002'ok' 01"), nil)
		s.br.send(suback("0003", "01"))
		s.dev.expect(suback("0003", "01"))
		s.exchange("UNSUBSCRIBE is the device's own business", packet(0xA2, hx("0005"+properties+"0002'no'")), packet(0xA2, hx("0005"+properties+"0002'no'")), nil)
		if n := s.packets("denied_total", "SUBSCRIBE", ""); n != 5 {
			t.Errorf("%v filters denied, want 5", n)
		}
	})
}

// TestUnansweredSubscribes: SUBSCRIBE packets in part that the broker owes an answer to are bounded, and each has its own
// identifier.
func TestUnansweredSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := policedScene(t, mqttio.V5)
		for i := range 32 {
			id := fmt.Sprintf("%04X", i+1)
			s.exchange(id, packet(0x82, hx(id+"00 0002'ok' 00 0002'no' 00")), packet(0x82, hx(id+"00 0002'ok' 00")), nil)
		}
		s.exchange("one too many", packet(0x82, hx("0021 00 0002'ok' 00 0002'no' 00")), nil, hx("9005 0021 00 97 87"))
		s.exchange("whole ones pass", packet(0x82, hx("0021 00 0002'ok' 00")), packet(0x82, hx("0021 00 0002'ok' 00")), nil)
		s.dev.send(packet(0x82, hx("0001 00 0002'ok' 00")))
		s.check(ended{reason: "packet-protocol", code: 1002, level: "WARN", metric: "session_ends_total",
			packets: disconnect(s.v, 0x82, reason.Protocol.String())})
	})
}

// TestUnansweredLongSubscribes: their entries are bounded too, and there is room again when the broker has answered.
func TestUnansweredLongSubscribes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := policedScene(t, mqttio.V311)
		const denied = 10_000
		long := func(id byte) []byte {
			return packet(0x82, []byte{0, id}, hx("0002'ok' 00"), bytes.Repeat(hx("0001'#' 00"), denied))
		}
		left := func(id byte) []byte { return packet(0x82, []byte{0, id}, hx("0002'ok' 00")) }
		answer := func(id, code byte) []byte {
			return packet(0x90, []byte{0, id, code}, bytes.Repeat([]byte{0x80}, denied))
		}
		s.exchange("the first", long(1), left(1), nil)
		s.exchange("too many together", long(2), nil, answer(2, 0x80))
		s.br.send(hx("9003 0001 00"))
		s.dev.expect(answer(1, 0))
		s.exchange("room again", long(3), left(3), nil)
	})
}

// A broker that answers a part of a SUBSCRIBE with too few codes is not guessed at.
func TestSubackOfTheWrongLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := policedScene(t, mqttio.V311)
		s.exchange("in part", packet(0x82, hx("0001 0002'ok' 00 0002'no' 00")), packet(0x82, hx("0001 0002'ok' 00")), nil)
		s.br.send(hx("D000 9004 0001 0000 D000"))
		s.check(ended{reason: "broker-malformed", code: 1011, level: "WARN", metric: "session_ends_total", packets: hx("D000")})
	})
}

// The bridge's own answers wait for CONNACK, which a device need not wait for, and for the end of a long packet.
func TestAnswersWait(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass.Policy = &policyFake{}
		s.dialled()
		ack := func(id uint16) []byte {
			if v == mqttio.V5 {
				return hx(fmt.Sprintf("4003 %04X 87", id))
			}
			return hx(fmt.Sprintf("4002 %04X", id))
		}
		s.dev.send(publishOf(v, 0x32, "no", 1, "", ""), publishOf(v, 0x32, "no", 2, "", ""))
		synctest.Wait()
		s.br.send(connack(v))
		s.dev.expect(bytes.Join([][]byte{connack(v), ack(1), ack(2)}, nil))
		long := publish(v, "t", strings.Repeat("x", 200_000))
		s.br.send(long[:150_000])
		s.dev.expect(long[:128<<10])
		s.dev.send(publishOf(v, 0x32, "no", 3, "", ""))
		synctest.Wait()
		s.br.send(long[150_000:])
		s.dev.expect(append(long[128<<10:], ack(3)...))
	})
}

// TestAnswersKeepTheirOrder: the bridge's answers to messages that are forbidden do not overtake the broker's to those before them
// [MQTT-4.6.0-2] [MQTT-4.6.0-3].
func TestAnswersKeepTheirOrder(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := policedScene(t, v)
		ack := func(kind byte, id uint16, forbidden bool) []byte {
			if v == mqttio.V5 && forbidden {
				return []byte{kind << 4, 3, byte(id >> 8), byte(id), 0x87}
			}
			return []byte{kind << 4, 2, byte(id >> 8), byte(id)}
		}
		pub := func(first byte, topic string, id uint16) []byte { return publishOf(v, first, topic, id, "", "x") }
		passed := slices.Concat(pub(0x32, "ok", 1), pub(0x34, "ok", 2), pub(0x32, "ok", 4))
		s.exchange("in one frame", slices.Concat(pub(0x32, "ok", 1), pub(0x34, "ok", 2), pub(0x32, "no", 3), pub(0x32, "ok", 4), pub(0x34, "no", 5), pub(0x32, "no", 6)),
			passed, nil)
		s.message("another kind", ack(5, 2, false), ack(5, 2, false), nil)
		s.br.send(ack(4, 1, false))
		s.dev.expect(slices.Concat(ack(4, 1, false), ack(4, 3, true), ack(5, 5, true)))
		s.br.send(ack(4, 4, false))
		s.dev.expect(slices.Concat(ack(4, 4, false), ack(4, 6, true)))
		s.exchange("nothing to wait for", pub(0x32, "no", 7), nil, ack(4, 7, true))
		s.exchange("to wait for", append(pub(0x32, "ok", 8), pub(0x32, "no", 9)...), pub(0x32, "ok", 8), nil)
		for range 17 {
			s.dev.send(bytes.Repeat(pub(0x32, "no", 10), 1000)) // answers of 64 KiB in all
		}
		s.check(ended{reason: "publish-denied", code: 1008, level: "WARN", metric: "session_ends_total",
			packets: disconnect(v, reason.PublishDenied.Disconnect, reason.PublishDenied.String())})
	})
}

// What waits is bounded, and not what ever waited.
func TestAnswersWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v, batch = mqttio.V5, 30 // packets that one run holds
		s := policedScene(t, v)
		both := bytes.Repeat(append(publishOf(v, 0x32, "ok", 1, "", "x"), publishOf(v, 0x32, "no", 2, "", "x")...), batch)
		passed := bytes.Repeat(publishOf(v, 0x32, "ok", 1, "", "x"), batch)
		acks, answers := bytes.Repeat(hx("4002 0001"), batch), bytes.Repeat(hx("4003 0002 87"), batch)
		s.exchange("the first", both, passed, nil)
		for range 800 { // 120 KB
			s.exchange("the next", both, passed, nil)
			s.br.send(acks)
			s.dev.expect(append(bytes.Clone(acks), answers...))
		}
	})
}

// TestConnectIsReplaced: the broker gets the policy's CONNECT, and what the device sent behind its own follows it.
func TestConnectIsReplaced(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass.Policy = &policyFake{terms: police.Terms{Connect: connect(v, "another", 60)}}
		s.upgrade()
		s.dev.send(s.connect(), publish(v, "ok", "x"))
		s.br = s.broker()
		s.br.expect(connect(v, "another", 60))
		s.br.expect(publish(v, "ok", "x"))
		s.br.send(connack(v))
		s.dev.expect(connack(v))
		s.dev.send(hx("E000"))
		s.check(ended{reason: "device-disconnect", code: 1000, saw: hx("E000"), level: "INFO", metric: "session_ends_total"})
		if line := s.log.ends(t)[0]; line["client_id"] != "another" {
			t.Errorf("log line %v", line)
		}
	})
}

// TestExpiryWithoutWill: the operator may want no will when an identity expires; only then does the broker see a DISCONNECT that
// the device did not send.
func TestExpiryWithoutWill(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRigWith(t, bridge.Options{Limits: plenty(), Denial: bridge.Denial{ExpiryWithoutWill: true}}), v: v}
		s.pass = expiring()
		began := time.Now()
		s.online()
		s.check(ended{reason: "identity-expired", code: 1008, saw: hx("E000"), level: "INFO", metric: "session_ends_total",
			packets: disconnect(v, 0xA0, reason.Expired.String())})
		if d := time.Since(began); d < 30*time.Second || d > 35*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// TestDenialChanges: the operator's new word on wills applies to the sessions that there are, the one on forbidden messages to the next ones.
func TestDenialChanges(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass = expiring()
		s.pass.Policy = &policyFake{}
		s.online()
		s.bridge.SetDenial(bridge.Denial{Close: true, ExpiryWithoutWill: true})
		s.dev.send(publish(v, "no", "x"))
		s.exchange("after a forbidden message", hx("C000"), hx("C000"), nil)
		next := &scene{rig: s.rig, v: v}
		next.pass.Policy = &policyFake{}
		next.online()
		next.dev.send(publish(v, "no", "x"))
		if h := next.dev.rest(); h.code != 1008 {
			t.Errorf("the next device hears %v", h)
		}
		if saw, err := s.br.rest(); err != nil || !bytes.Equal(saw, hx("E000")) {
			t.Errorf("the broker sees % x, %v", saw, err)
		}
	})
}

// TestExpiryThatNeverComes: the last day of the year 9999 is how certificates of devices and tokens say that they have no end.
func TestExpiryThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		time.Sleep(time.Second) // of the bridge's own time
		s.pass.Expires = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		s.online()
		time.Sleep(40 * time.Second)
		s.exchange("later", hx("C000"), hx("C000"), nil)
	})
}

// TestExpiryWithinAForbiddenPublish: of a message that is being dropped the broker has nothing, and it can be told DISCONNECT.
func TestExpiryWithinAForbiddenPublish(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRigWith(t, bridge.Options{Limits: plenty(), Denial: bridge.Denial{ExpiryWithoutWill: true}}), v: v}
		s.pass = expiring()
		s.pass.Policy = &policyFake{}
		s.online()
		s.dev.send(publish(v, "no", strings.Repeat("x", 200_000))[:150_000])
		s.check(ended{reason: "identity-expired", code: 1008, saw: hx("E000"), level: "INFO", metric: "session_ends_total",
			packets: disconnect(v, 0xA0, reason.Expired.String())})
	})
}

func TestRefusalWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.bridge.RefusedFor(reason.Unauthorized, "192.0.2.1:1", "esp32", errors.New("why"))
		if line := r.log.ends(t)[0]; line["error"] != "why" || line["reason"] != "unauthorized" || line["user_agent"] != "esp32" {
			t.Errorf("log line %v", line)
		}
	})
}

// TestLongProperties: the properties of a long PUBLISH are looked at, because an alias may stand in them. Where there is no end
// to them the device is not heard further.
func TestLongProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V5
		s := policedScene(t, v)
		with := func(size int) []byte {
			properties := packet(0x26, nil)[:1]
			properties = append(append(properties, text("k")...), text(strings.Repeat("v", size-9))...)
			properties = append(properties, 0x23, 0, 1)
			block := append([]byte{byte(size) | 0x80, byte(size>>7) | 0x80, byte(size >> 14)}, properties...)
			return packet(0x32, text("no"), []byte{1, 2}, block, make([]byte, 100_000))
		}
		alias := publishOf(v, 0x30, "", 0, "23 0001", "x")
		s.exchange("forbidden", append(with(40_000), alias...), nil, hx("4003 0102 87"))
		good := publish(v, "ok", strings.Repeat("x", 40_000))
		s.dev.send(good, hx("C0")) // cut in a large buffer, so that what follows is found behind it
		synctest.Wait()
		s.dev.send(hx("00"), with(65_544))
		s.check(ended{reason: "control-packet-too-large", saw: append(good, 0xC0, 0), code: 1009, level: "WARN", metric: "session_ends_total",
			packets: disconnect(v, 0x95, reason.ControlPacketTooLarge.String())})
	})
}

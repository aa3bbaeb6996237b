package bridge_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

func withSubscriptions(n int) func(*bridge.Limits) {
	return func(l *bridge.Limits) { l.Subscriptions = n }
}

// subscribing makes packets and codes of a version.
type subscribing struct{ properties, denied, quota string }

func subscribingIn(v mqttio.Version) subscribing {
	if v == mqttio.V5 {
		return subscribing{"00", "87", "97"}
	}
	return subscribing{"", "80", "80"}
}

func (w subscribing) subscribe(id, filters string) []byte {
	return packet(0x82, hx(id+w.properties+filters))
}
func (w subscribing) unsubscribe(id, filters string) []byte {
	return packet(0xA2, hx(id+w.properties+filters))
}
func (w subscribing) suback(id, codes string) []byte { return packet(0x90, hx(id+w.properties+codes)) }

// answer has the broker answer a SUBSCRIBE.
func (s *scene) answer(broker, device []byte) {
	s.t.Helper()
	s.br.send(broker)
	s.dev.expect(device)
}

// TestQuotaSubscriptions: entries of SUBSCRIBE beyond the quota get a code of their own while the others pass. What the broker
// refuses, and what is given up, takes no room; what is subscribed to again takes none either.
func TestQuotaSubscriptions(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := startOnline(t, v, withSubscriptions(2))
		w := subscribingIn(v)
		s.exchange("in part", w.subscribe("0001", "0001'a' 00 0001'b' 01 0001'c' 02"), w.subscribe("0001", "0001'a' 00 0001'b' 01"), nil)
		s.answer(w.suback("0001", "0080"), w.suback("0001", "0080"+w.quota)) // b is no subscription
		s.exchange("room for one", w.subscribe("0002", "0001'c' 00"), w.subscribe("0002", "0001'c' 00"), nil)
		s.answer(w.suback("0002", "00"), w.suback("0002", "00"))
		s.exchange("none left", w.subscribe("0003", "0001'd' 00"), nil, w.suback("0003", w.quota))
		s.exchange("again", w.subscribe("0004", "0001'a' 01 0001'd' 00 0001'c' 01"), w.subscribe("0004", "0001'a' 01 0001'c' 01"), nil)
		s.answer(w.suback("0004", "8001"), w.suback("0004", "80"+w.quota+"01")) // the broker keeps what it had
		s.exchange("still none", w.subscribe("0005", "0001'd' 00"), nil, w.suback("0005", w.quota))
		s.exchange("given up", w.unsubscribe("0006", "0001'a'"), w.unsubscribe("0006", "0001'a'"), nil)
		s.exchange("room again", w.subscribe("0007", "0001'd' 00"), w.subscribe("0007", "0001'd' 00"), nil)
		s.answer(w.suback("0007", "00"), w.suback("0007", "00"))
		s.exchange("not for two", w.subscribe("0008", "0001'e' 00"), nil, w.suback("0008", w.quota))
		if n := s.packets("quota_exceeded_total", "subscriptions", ""); n != 5 {
			t.Errorf("%v counted, want 5", n)
		}
	})
}

// TestQuotaSubscriptionsUnanswered: what a device can have the bridge remember before the broker answers is bounded, and two
// SUBSCRIBE packets with one identifier cannot make one refusal count twice.
func TestQuotaSubscriptionsUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOnline(t, mqttio.V5, withSubscriptions(2))
		w := subscribingIn(s.v)
		for i := range 2*2 + 32 {
			p := w.subscribe(fmt.Sprintf("%04X", i+1), "0001'a' 00")
			s.exchange("one filter again and again", p, p, nil)
		}
		s.exchange("one too many", w.subscribe("0025", "0001'a' 00"), nil, w.suback("0025", w.quota))
		s.dev.send(w.subscribe("0002", "0001'b' 00"))
		s.check(ended{reason: "packet-protocol", code: 1002, level: "WARN", metric: "session_ends_total",
			packets: disconnect(s.v, 0x82, reason.Protocol.String())})
	})
}

// TestQuotaSubscriptionsMadeAgain: the refusal of a subscription that was given up meanwhile does not free the one made after it.
func TestQuotaSubscriptionsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startOnline(t, mqttio.V311, withSubscriptions(1))
		w := subscribingIn(s.v)
		all := append(w.subscribe("0001", "0001'a' 00"), append(w.unsubscribe("0002", "0001'a'"), w.subscribe("0003", "0001'a' 00")...)...)
		s.exchange("made, given up, made", all, all, nil)
		s.answer(append(w.suback("0001", "80"), w.suback("0003", "00")...), append(w.suback("0001", "80"), w.suback("0003", "00")...))
		s.exchange("no room", w.subscribe("0004", "0001'b' 00"), nil, w.suback("0004", "80"))
	})
}

// TestQuotaSubscriptionsBesideAPolicy: what the policy forbids takes no room.
func TestQuotaSubscriptionsBesideAPolicy(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, withSubscriptions(1)), v: v}
		s.pass.Policy = &policyFake{}
		s.online()
		w := subscribingIn(v)
		s.exchange("all three", w.subscribe("0001", "0002'no' 00 0002'ok' 01 0003'ok2' 00"), w.subscribe("0001", "0002'ok' 01"), nil)
		s.answer(w.suback("0001", "01"), w.suback("0001", w.denied+"01"+w.quota))
	})
}

// TestQuotaSubscriptionsRefusedForAnotherReason: what did not go on takes no room, and its identifier is free.
func TestQuotaSubscriptionsRefusedForAnotherReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, withSubscriptions(40)), v: mqttio.V5}
		s.pass.Policy = &policyFake{}
		s.online()
		w := subscribingIn(s.v)
		for i := range 32 {
			id := fmt.Sprintf("%04X", i+1)
			s.exchange("in part", w.subscribe(id, "0006'ok"+id+"' 00 0002'no' 00"), w.subscribe(id, "0006'ok"+id+"' 00"), nil)
		}
		s.exchange("too many in part", w.subscribe("0021", "0003'ok!' 00 0002'no' 00"), nil, w.suback("0021", "9787"))
		var eight string
		for i := range 8 {
			eight += fmt.Sprintf("0003'ok%d' 00", i)
		}
		s.exchange("all that is left", w.subscribe("0021", eight), w.subscribe("0021", eight), nil)
		s.exchange("and no more", w.subscribe("0022", "0003'ok!' 00"), nil, w.suback("0022", "97"))
	})
}

// TestQuotaBelowAMount: filters and levels are counted as the device writes them.
func TestQuotaBelowAMount(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.Subscriptions, l.TopicLevels = 1, 2 }), v: v}
		s.pass.Policy = openPolicy("m/")
		s.online()
		w := subscribingIn(v)
		s.exchange("in part", w.subscribe("0001", "0003'a/b' 00 0001'b' 00 0005'a/b/c' 00"), w.subscribe("0001", "0005'm/a/b' 00"), nil)
		s.answer(w.suback("0001", "00"), w.suback("0001", "00"+w.quota+w.denied))
		s.exchange("given up", w.unsubscribe("0002", "0003'a/b'"), w.unsubscribe("0002", "0005'm/a/b'"), nil)
		s.exchange("room again", w.subscribe("0003", "0001'b' 00"), w.subscribe("0003", "0003'm/b' 00"), nil)
		s.exchange("PUBLISH", append(publish(v, "a/b/c", "x"), publish(v, "a/b", "x")...), publish(v, "m/a/b", "x"), nil)
	})
}

func withLevels(n int) func(*bridge.Limits) { return func(l *bridge.Limits) { l.TopicLevels = n } }

// TestQuotaTopicLevels: a topic or filter with too many levels is forbidden like any other, the will included.
func TestQuotaTopicLevels(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := startOnline(t, v, withLevels(3))
		w := subscribingIn(v)
		good := publish(v, "a/b/c", "x")
		s.exchange("PUBLISH", append(publish(v, "a/b/c/d", "x"), good...), good, nil)
		s.exchange("many levels", publish(v, string(make([]byte, 0))+"////////", "x"), nil, nil)
		s.exchange("SUBSCRIBE", w.subscribe("0001", "0007'a/+/c/#' 00 0005'a/+/#' 00"), w.subscribe("0001", "0005'a/+/#' 00"), nil)
		s.answer(w.suback("0001", "00"), w.suback("0001", w.denied+"00"))
		if n := s.packets("quota_exceeded_total", "topic-levels", ""); n != 3 {
			t.Errorf("%v counted, want 3", n)
		}
	})
}

func TestQuotaTopicLevelsOfTheWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, withLevels(3)), v: mqttio.V311}
		s.upgrade()
		s.dev.send(packet(0x10, hx("0004'MQTT' 04 06 003C 0001'c' 0007'a/b/c/d' 0001'x'")))
		s.check(ended{reason: "not-authorized", code: 1008, packets: hx("20020005"), level: "INFO", metric: "refusals_total"})
	})
}

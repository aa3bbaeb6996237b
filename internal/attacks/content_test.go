//go:build linux

package attacks

import (
	"fmt"
	"strings"
	"testing"
)

// TestAttack28_topics: a topic that MQTT forbids ends the session, one that it allows passes as it is.
func TestAttack28_topics(t *testing.T) {
	k := plain(t)
	var cases []packetCase
	for name, topic := range map[string]string{
		"number_sign": "twenty/eight/#", "plus": "twenty/+/eight", "wildcard_inside": "twenty/eight#", "NUL": "twenty/eight\x00",
		"surrogates": "twenty/eight\xed\xa0\x80", "not_UTF-8": "twenty/eight\xff\xfe", "overlong": "twenty/eight\xc0\xaf",
	} {
		cases = append(cases, packetCase{name, 4, publish(topic, "twenty/eight"), "packet-malformed", 1002})
	}
	cases = append(cases, packetCase{"empty", 4, publish("", "twenty/eight"), "packet-protocol", 1002})
	k.refusePackets(t, cases, "twenty/eight")
	d := online(t, k, hello{version: 4, id: "topics"}).send(subscribe(1, "allowed/#"))
	_ = d.packet()
	for _, topic := range []string{
		"allowed/\u2028", "allowed/ ", "allowed///", "allowed/$SYS", "allowed/" + strings.Repeat("/", 150), "allowed/\U0001F600",
	} {
		if got := d.send(publish(topic, "x")).packet(); got != publish(topic, "x") {
			t.Errorf("%q comes back as %q", topic, got)
		}
	}
	// What the broker does not like is its business: the bridge passes it on and lives.
	for _, topic := range []string{"allowed/\uffff", "$SYS/x", "allowed" + strings.Repeat("/", 60_000), "allowed/\x01"} {
		d := online(t, k, hello{version: 4, id: "odd-topic"})
		d.send(publish(topic, "x"), disconnect).end()
	}
}

// TestAttack29_user_properties: as many as fit the limits, and no more.
func TestAttack29_user_properties(t *testing.T) {
	k := plain(t)
	const one = "\x26\x00\x01a\x00\x01b"
	flood := func(size int) string { return strings.Repeat(one, size/len(one)) }
	online(t, k, hello{version: 5, id: "properties", properties: flood(60_000)}).alive()
	open(t, k).send(hello{version: 5, id: "properties", properties: flood(66_000)}.packet()).wantEnd(1009)
	k.wantReason("connect-too-large", 1)
	message := func(size int) string {
		p := flood(size)
		return packet(0x30, str("properties")+varint(len(p))+p)
	}
	online(t, k, hello{version: 5, id: "properties"}).send(message(60_000), message(packetSize-100)).alive()
	online(t, k, hello{version: 5, id: "properties"}).send(message(packetSize)).wantEnd(1009)
	k.wantReason("packet-too-large", 1)
}

// TestAttack30_unfinished_qos2: the bridge keeps nothing of messages that are never finished.
func TestAttack30_unfinished_qos2(t *testing.T) {
	k := plain(t)
	d := online(t, k, hello{version: 4, id: "unfinished"})
	message := func(id int) string {
		return packet(0x34, str("thirty")+string([]byte{byte(id >> 8), byte(id)})+strings.Repeat("x", 1000))
	}
	const messages = 800 // Mosquitto takes 1000
	for id := range messages {
		d.send(message(id + 1))
		if got := d.packet(); got[0] != 0x50 {
			t.Fatalf("PUBLISH %d is answered with %x", id+1, got)
		}
	}
	if now, ok := settled(t, k.bridge, plusDevices(k.before, 1)); !ok {
		t.Errorf("with %d messages unfinished the bridge holds %v, before it held %v", messages, now, k.before)
	}
	// The same identifier again, without DUP, is for the broker to judge.
	d.send(message(7), message(7), disconnect).end()
}

// plusDevices is what the process may hold when there are n devices more.
func plusDevices(s sample, n int) sample {
	s.descriptors += 2 * n
	s.goroutines += 2 * n
	return s
}

// TestAttack31_client_identifiers: odd ones are the broker's to judge, and are nothing but text to the bridge. Another device with
// the same one takes over as the broker says.
func TestAttack31_client_identifiers(t *testing.T) {
	k := plain(t)
	series := len(metrics(t, k.bridge))
	ids := []string{
		"a/b/../../etc/passwd", "*.>", "%00%0a", "a\r\nb", "\x1b[31mred", `{"reason":"x"}`, "\u202egnp.exe", strings.Repeat("x", 60_000), "{{.Claims.x}}",
	}
	for _, id := range ids {
		open(t, k).send(hello{version: 4, id: id}.packet(), disconnect).end()
	}
	k.logged("") // which sees that every line is JSON
	for name := range metrics(t, k.bridge) {
		for _, id := range ids {
			if strings.Contains(name, fmt.Sprintf("%.10s", id)) {
				t.Errorf("a client identifier is in the metrics: %s", name)
			}
		}
	}
	if now := len(metrics(t, k.bridge)); now > series+3 { // a reason that was not there before
		t.Errorf("%d series have become %d", series, now)
	}
	first := online(t, k, hello{version: 4, id: "twin"})
	first5 := online(t, k, hello{version: 5, id: "twin-5"})
	online(t, k, hello{version: 4, id: "twin"}).alive()
	online(t, k, hello{version: 5, id: "twin-5"}).alive()
	first.wantEnd(1012)
	if got := first5.wantEnd(1012); !strings.HasPrefix(got, "\xe0") {
		t.Errorf("the MQTT 5 device that was taken over hears %x", got)
	}
	// Those of the odd ones that the broker closes may end for that too, or for their DISCONNECT, whichever comes first.
	twins := func() (n int) {
		for _, line := range k.logged("broker-closed") {
			if strings.HasPrefix(fmt.Sprint(line["client_id"]), "twin") {
				n++
			}
		}
		return n
	}
	if !eventually(func() bool { return twins() == 2 }) {
		t.Errorf("%d sessions that were taken over ended for broker-closed, want 2", twins())
	}
}

// TestAttack48_longest_strings: nothing is encoded again, so nothing overflows.
func TestAttack48_longest_strings(t *testing.T) {
	k := plain(t)
	d := online(t, k, hello{version: 4, id: strings.Repeat("c", 20_000), user: strings.Repeat("u", 20_000), password: strings.Repeat("p", 20_000)})
	d.send(subscribe(1, "longest/#"))
	_ = d.packet()
	for _, n := range []int{65_535, 65_534, 65_500} {
		topic := "longest/" + strings.Repeat("t", n-8)
		want := publish(topic, "the payload")
		d.send(want)
		var got string
		for len(got) < len(want) {
			got += d.packet()
		}
		if got != want {
			t.Errorf("a topic of %d bytes comes back changed", n)
		}
	}
	d.alive()
}

package police_test

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"weak"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// rules is a policy: topics that begin with "no" are forbidden.
type rules struct{ mount mqttio.Mount }

func may(topic []byte) bool { return !bytes.HasPrefix(topic, []byte("no")) }

func (r rules) Connect(_ []byte, c *mqttio.Connect) (police.Terms, error) {
	if string(c.ClientID) == "no" {
		return police.Terms{}, errors.New("not this one")
	}
	return police.Terms{Mount: r.mount}, nil
}
func (rules) MayPublish(topic []byte) bool    { return may(topic) }
func (rules) MaySubscribe(filter []byte) bool { return may(filter) }
func (rules) MayReceive(topic []byte) bool    { return may(topic) }

// counters and memory of a session that has none.
type counters struct{ denied, withheld, exceeded int }

func (c *counters) Denied(mqttio.Type)  { c.denied++ }
func (c *counters) Withheld()           { c.withheld++ }
func (c *counters) Exceeded(string)     { c.exceeded++ }
func (c *counters) Remember(int64) bool { return true }

// inspector is one whose device has connected and was accepted, with a session that the broker had kept.
func inspector(t *testing.T, v mqttio.Version, o police.Options, mount mqttio.Mount) *police.Inspector {
	t.Helper()
	o.Policy = rules{mount}
	if o.Counters == nil {
		o.Counters = new(counters)
	}
	o.Memory = new(counters)
	i := police.New(o)
	if _, why, err := i.Connect(&mqttio.Connect{Version: v, ClientID: []byte("yes")}, nil); why != nil {
		t.Fatal(why, err)
	}
	i.Accepted(&mqttio.Connack{SessionPresent: true})
	return i
}

// found is the packet as a stream finds it.
func found(t *testing.T, pkt []byte) *mqttio.Packet {
	t.Helper()
	h, err := mqttio.ParseHeader(pkt)
	if err != nil {
		t.Fatal(err)
	}
	return &mqttio.Packet{Header: h, Bytes: pkt, First: true, Last: len(pkt) == h.Size()}
}

// publish is a PUBLISH with QoS 0, 1 or 2, whose packet identifier is 7.
func publish(v mqttio.Version, qos byte, topic string) []byte {
	b := append([]byte{0, byte(len(topic))}, topic...)
	if qos > 0 {
		b = append(b, 0, 7)
	}
	if v == mqttio.V5 {
		b = append(b, 0)
	}
	return append([]byte{0x30 | qos<<1, byte(len(b))}, b...)
}

// subscribe is a SUBSCRIBE whose packet identifier is 7.
func subscribe(v mqttio.Version, filters ...string) []byte {
	b := []byte{0, 7}
	if v == mqttio.V5 {
		b = append(b, 0)
	}
	for _, f := range filters {
		b = append(append(append(b, 0, byte(len(f))), f...), 1)
	}
	return append([]byte{0x82, byte(len(b))}, b...)
}

// show is a verdict in one line.
func show(v *police.Verdict) string {
	if v == nil {
		return "pass"
	}
	s := [...]string{"pass", "edit", "replace", "drop", "end"}[v.Action]
	switch v.Action {
	case police.Edit:
		s += fmt.Sprintf(" %x", v.Edit.Append(nil))
	case police.Replace:
		s += fmt.Sprintf(" %x", v.Packet[mqttio.Headroom:])
	case police.End:
		s += " " + v.Reason.Label
	}
	if v.Answer.Packet != nil {
		s += fmt.Sprintf(", %x", v.Answer.Packet[mqttio.Headroom:])
	}
	if v.Answer.After > 0 {
		s += fmt.Sprintf(" behind %d", v.Answer.After)
	}
	return s
}

// TestVerdicts: what becomes of a packet is data, and no session is needed to know it.
func TestVerdicts(t *testing.T) {
	v3, v5 := mqttio.V311, mqttio.V5
	for _, c := range []struct {
		name  string
		v     mqttio.Version
		o     police.Options
		mount mqttio.Mount
		up    [][]byte // before pkt
		pkt   []byte
		down  bool
		want  string
	}{
		{name: "allowed", v: v3, pkt: publish(v3, 1, "a"), want: "pass"},
		{name: "QoS 0", v: v3, pkt: publish(v3, 0, "no"), want: "drop"},
		{name: "QoS 1 in 3.1.1", v: v3, pkt: publish(v3, 1, "no"), want: "drop, 40020007"},
		{name: "QoS 1 in 5", v: v5, pkt: publish(v5, 1, "no"), want: "drop, 4003000787"},
		{name: "behind two [MQTT-4.6.0-2]", v: v3, up: [][]byte{publish(v3, 1, "a"), publish(v3, 1, "b")}, pkt: publish(v3, 1, "no"), want: "drop, 40020007 behind 2"},
		{name: "QoS 2", v: v5, pkt: publish(v5, 2, "no"), want: "drop, 5003000787"},
		{name: "PUBREL of one that was dropped", v: v3, up: [][]byte{publish(v3, 2, "no")}, pkt: []byte{0x62, 2, 0, 7}, want: "drop, 70020007"},
		{name: "PUBREL of another", v: v3, up: [][]byte{publish(v3, 2, "no")}, pkt: []byte{0x62, 2, 0, 8}, want: "pass"},
		{name: "closing", v: v3, o: police.Options{CloseDenied: true}, pkt: publish(v3, 1, "no"), want: "end publish-denied"},
		{name: "mounted", v: v3, mount: "m/", pkt: publish(v3, 0, "a"), want: "edit 300500036d2f61"},
		{name: "filters", v: v3, pkt: subscribe(v3, "a", "b"), want: "pass"},
		{name: "no filter", v: v3, pkt: subscribe(v3, "no"), want: "drop, 9003000780"},
		{name: "some filters", v: v3, pkt: subscribe(v3, "no", "b"), want: "replace 82060007000162" + "01"},
		{name: "identifier in use [MQTT-2.2.1-3]", v: v3, up: [][]byte{subscribe(v3, "no", "b")}, pkt: subscribe(v3, "b"), want: "end packet-protocol"},
		{name: "SUBACK is merged", v: v3, up: [][]byte{subscribe(v3, "no", "b")}, pkt: []byte{0x90, 3, 0, 7, 1}, down: true, want: "replace 900400078001"},
		{name: "quota", v: v3, o: police.Options{Subscriptions: 1}, pkt: subscribe(v3, "a", "b"), want: "replace 8206000700016101"},
		{name: "message", v: v3, pkt: publish(v3, 1, "a"), down: true, want: "pass"},
		{name: "withheld", v: v3, pkt: publish(v3, 1, "no"), down: true, want: "drop, 40020007"},
		{name: "unmounted", v: v3, mount: "m/", pkt: publish(v3, 0, "m/a"), down: true, want: "edit 3003000161"},
		{name: "outside the mount", v: v3, mount: "m/", pkt: publish(v3, 0, "x/a"), down: true, want: "drop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := inspector(t, c.v, c.o, c.mount)
			for _, pkt := range c.up {
				i.Up(found(t, pkt))
			}
			inspect := i.Up
			if c.down {
				inspect = i.Down
			}
			if got := show(inspect(found(t, c.pkt))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestLongPacketsGoAsOne: what was said of the first part of a long PUBLISH holds for the rest, and is answered once, where the broker has
// it with the last.
func TestLongPacketsGoAsOne(t *testing.T) {
	head := append([]byte{0x32, 0x80, 0x80, 0x08, 0, 2}, "no\x00\x07"...)
	parts := []*mqttio.Packet{found(t, head), {Header: found(t, head).Header, Bytes: []byte("x")}, {Header: found(t, head).Header, Bytes: []byte("x"), Last: true}}
	i := inspector(t, mqttio.V311, police.Options{}, "")
	for _, c := range []struct {
		inspect func(*mqttio.Packet) *police.Verdict
		want    []string
	}{
		{i.Up, []string{"drop, 40020007", "drop", "drop"}},
		{i.Down, []string{"drop", "drop", "drop, 40020007"}},
	} {
		for n, p := range parts {
			if got := show(c.inspect(p)); got != c.want[n] {
				t.Errorf("part %d: %s, want %s", n, got, c.want[n])
			}
		}
		if got := show(c.inspect(found(t, publish(mqttio.V311, 0, "a")))); got != "pass" {
			t.Errorf("the next packet: %s", got)
		}
	}
}

// TestNilPassesAll: a session without a policy asks nobody.
func TestNilPassesAll(t *testing.T) {
	i := police.New(police.Options{Policy: police.Within(nil, 0, false, nil)})
	if i != nil {
		t.Fatal("an inspector with nothing to look for")
	}
	if _, why, err := i.Connect(nil, nil); why != nil || err != nil || i.Grows() != 0 {
		t.Error(why, err)
	}
	i.Accepted(nil)
	if p := found(t, publish(mqttio.V311, 0, "no")); i.Up(p) != nil || i.Down(p) != nil {
		t.Error("a verdict")
	}
}

// TestRefusedConnect: a policy's error refuses, and a quota on topic levels looks at the will.
func TestRefusedConnect(t *testing.T) {
	c := new(counters)
	i := police.New(police.Options{Policy: police.Within(rules{}, 2, false, c), NoRetain: true, Counters: c, Memory: c})
	for name, connect := range map[string]mqttio.Connect{
		"device":        {ClientID: []byte("no")},
		"deep will":     {Will: true, WillTopic: []byte("a/b/c")},
		"retained will": {Will: true, WillTopic: []byte("a"), WillRetain: true},
	} {
		if _, why, err := i.Connect(&connect, nil); why != reason.NotAuthorized || err == nil {
			t.Errorf("%s: %v, %v", name, why, err)
		}
	}
	if c.exceeded != 1 {
		t.Errorf("%d topics counted as too deep", c.exceeded)
	}
}

// TestVerdictsAllocateNothing where a message goes on, or is answered with an acknowledgement.
func TestVerdictsAllocateNothing(t *testing.T) {
	i := inspector(t, mqttio.V5, police.Options{}, "m/")
	up, down := found(t, publish(mqttio.V5, 1, "a")), found(t, publish(mqttio.V5, 1, "m/a"))
	if n := testing.AllocsPerRun(100, func() { i.Up(up); i.Down(down) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	up, down = found(t, publish(mqttio.V5, 1, "no")), found(t, publish(mqttio.V5, 2, "m/no"))
	if n := testing.AllocsPerRun(100, func() { i.Up(up); i.Down(down) }); n != 0 {
		t.Errorf("%v allocations of denied messages", n)
	}
}

// TestForgetFreesWhatWasInspected: a quiet session keeps neither a packet, which lies in a buffer that is not its any more, nor what the
// inspector has made of it.
func TestForgetFreesWhatWasInspected(t *testing.T) {
	i := inspector(t, mqttio.V311, police.Options{}, "m/")
	kept := make(map[string]weak.Pointer[byte])
	inspect := func(name string, inspect func(*mqttio.Packet) *police.Verdict, pkt []byte) {
		pkt = append(make([]byte, 0, 64), pkt...) // the smallest objects share memory with others
		kept[name] = weak.Make(&pkt[0])
		if v := inspect(found(t, pkt)); v.Packet != nil {
			kept[name+", made"] = weak.Make(&v.Packet[0])
		} else if v.Answer.Packet != nil {
			kept[name+", answer"] = weak.Make(&v.Answer.Packet[0])
		}
	}
	inspect("PUBLISH up", i.Up, publish(mqttio.V311, 0, "a"))
	inspect("PUBLISH down", i.Down, publish(mqttio.V311, 0, "m/a"))
	inspect("SUBSCRIBE", i.Up, subscribe(mqttio.V311, "a", "no"))
	inspect("SUBACK", i.Down, []byte{0x90, 3, 0, 7, 1})
	i.Forget(mqttio.Up)
	i.Forget(mqttio.Down)
	runtime.GC()
	for name, p := range kept {
		if p.Value() != nil {
			t.Errorf("%s is kept", name)
		}
	}
	runtime.KeepAlive(i)
}

var _ leg.Memory = (*counters)(nil)

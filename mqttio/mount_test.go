package mqttio_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	paho3 "github.com/eclipse/paho.mqtt.golang/packets"

	paho "github.com/eclipse/paho.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

func TestMountHolds(t *testing.T) {
	const m = mqttio.Mount("t/a/")
	fits, long := strings.Repeat("x", 65535-len(m)), strings.Repeat("x", 65536-len(m))
	for topic, want := range map[string]bool{
		"x": true, "/": true, "a/$x": true, "": false, "$SYS/a": false, "$": false, fits: true, long: false,
	} {
		if m.Holds([]byte(topic)) != want {
			t.Errorf("topic %.20q: %v", topic, !want)
		}
	}
	for filter, want := range map[string]bool{
		"#": true, "+/a": true, "$share/g/#": true, "$share/g/a/b": true, "$share/g//": true,
		"": false, "$SYS/#": false, "$share": false, "$share/": false, "$share/g": false, "$share/g/": false, "$share//a": false,
		"$share/+/a": false, "$share/#/a": false, "$share/g/$SYS/#": false, "$share/g/$share/h/a": false, "$queue/a": false,
		"$share/g/" + fits[9:]: true, "$share/g/" + fits[8:]: false, "$SHARE/g/a": false,
	} {
		if m.HoldsFilter([]byte(filter)) != want {
			t.Errorf("filter %.20q: %v", filter, !want)
		}
	}
	for topic, want := range map[string]string{
		"t/a/x": "x", "t/a//": "/", "t/a/x/$y": "x/$y", "t/a/": "", "t/a": "", "t/": "", "": "", "t/ab/x": "", "t/a/$SYS": "", "T/a/x": "", "x": "",
	} {
		if got, ok := m.Device([]byte(topic)); string(got) != want || ok != (want != "") {
			t.Errorf("%q is %q, %v", topic, got, ok)
		}
	}
}

func TestMountPublish(t *testing.T) {
	for _, tt := range []struct {
		name         string
		v            mqttio.Version
		device, seen string
	}{
		{"QoS 0", mqttio.V311, "3005 0001'x' 'pl'", "3009 0005't/a/x' 'pl'"},
		{"QoS 2, retained, again", mqttio.V31, "3D07 0001'x' 0102 'pl'", "3D0B 0005't/a/x' 0102 'pl'"},
		{"no payload", mqttio.V311, "3003 0001'x'", "3007 0005't/a/x'"},
		{"MQTT 5", mqttio.V5, "3206 0001'x' 0102 00", "320A 0005't/a/x' 0102 00"},
		{"response topic", mqttio.V5, "300F 0001'x' 09 0101 080001'r' 090000 'pl'", "3017 0005't/a/x' 0D 0101 080005't/a/r' 090000 'pl'"},
		{"alias with its topic", mqttio.V5, "3008 0001'x' 03 230001 'p'", "300C 0005't/a/x' 03 230001 'p'"},
		{"alias alone", mqttio.V5, "3007 0000 03 230001 'p'", "3007 0000 03 230001 'p'"},
		{"alias alone with a response topic", mqttio.V5, "300B 0000 07 230001 080001'r' 'p'", "300F 0000 0B 230001 080005't/a/r' 'p'"},
		{"lengths of lengths", mqttio.V5, "307F 0001'x' 7B 08001C'r" + strings.Repeat("r", 27) + "' 090059'" + strings.Repeat("c", 89) + "'",
			"308701 0005't/a/x' 7F 080020't/a/r" + strings.Repeat("r", 27) + "' 090059'" + strings.Repeat("c", 89) + "'"},
		{"two lengths of lengths", mqttio.V5, "308301 0001'x' 7F 08001F'r" + strings.Repeat("r", 30) + "' 09005A'" + strings.Repeat("c", 90) + "'",
			"308C01 0005't/a/x' 8301 080023't/a/r" + strings.Repeat("r", 30) + "' 09005A'" + strings.Repeat("c", 90) + "'"},
	} {
		device, seen := b(t, tt.device), b(t, tt.seen)
		if got := moved(t, tt.v, device, false); !bytes.Equal(got, seen) {
			t.Errorf("%s up: % x, want % x", tt.name, got, seen)
		}
		if got := moved(t, tt.v, seen, true); !bytes.Equal(got, device) {
			t.Errorf("%s down: % x, want % x", tt.name, got, device)
		}
	}
	// Down, a response topic from elsewhere is left out, and a Remaining Length in more bytes than it needs becomes short.
	for from, want := range map[string]string{
		"3017 0005't/a/x' 0D 0101 080005't/b/r' 090000 'pl'":  "300B 0001'x' 05 0101 090000 'pl'",
		"3013 0005't/a/x' 09 0101 080001'r' 090000 'pl'":      "300B 0001'x' 05 0101 090000 'pl'",
		"3016 0005't/a/x' 0C 0101 080004't/a/' 090000 'pl'":   "300B 0001'x' 05 0101 090000 'pl'",
		"3018 0005't/a/x' 0E 0101 080006't/a/$r' 090000 'pl'": "300B 0001'x' 05 0101 090000 'pl'",
		"308A00 0005't/a/x' 00 'pl'":                          "3006 0001'x' 00 'pl'",
		"3011 0005't/a/x' 07 0B07 260000 0000 'pl'":           "300D 0001'x' 07 0B07 260000 0000 'pl'",
	} {
		if got := moved(t, mqttio.V5, b(t, from), true); !bytes.Equal(got, b(t, want)) {
			t.Errorf("%s: % x, want %s", from, got, want)
		}
	}
}

// moved moves a PUBLISH up or down, and holds the size that was told.
func moved(t testing.TB, v mqttio.Version, pkt []byte, down bool) []byte {
	t.Helper()
	h := header(t, pkt)
	q, err := mqttio.ParsePublish(h, pkt, v)
	if err != nil {
		t.Fatalf("% x: %v", pkt, err)
	}
	move := mqttio.Mount("t/a/").Up
	if down {
		move = mqttio.Mount("t/a/").Down
	}
	e := move(h, pkt, v, &q)
	out := e.Append([]byte("x"))
	if out[0] != 'x' || e.Size != len(out)-1 {
		t.Fatalf("% x: size %d, want %d", out, e.Size, len(out)-1)
	}
	return out[1:]
}

func TestMountRequests(t *testing.T) {
	const m = mqttio.Mount("t/a/")
	pkt := packet(t, 0x82, "0102 02 0B07 0001'#'2D 0001'b'01 000A'$share/g/+'02")
	s, err := mqttio.ParseSubscribe(header(t, pkt), pkt, mqttio.V5)
	if err != nil {
		t.Fatal(err)
	}
	codes := []byte{mqttio.CodeOfBroker, 0x87, mqttio.CodeOfBroker}
	want := packet(t, 0x82, "0102 02 0B07 0005't/a/#'2D 000E'$share/g/t/a/+'02")
	if got, err := m.AppendSubscribe(nil, header(t, pkt), pkt, s, codes, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v, want % x", got, err, want)
	}
	if got, err := m.AppendSubscribe(nil, header(t, pkt), pkt, s, codes, len(want)-1); !errors.Is(err, mqttio.ErrTooLarge) || got != nil {
		t.Errorf("% x, %v", got, err)
	}
	pkt = packet(t, 0xA2, "0102 0001'#' 0006'$SYS/#' 0008'$share/g' 000A'$share/g/+'")
	u, err := mqttio.ParseUnsubscribe(header(t, pkt), pkt, mqttio.V311)
	if err != nil {
		t.Fatal(err)
	}
	want = packet(t, 0xA2, "0102 0005't/a/#' 0005't/a/$' 0005't/a/$' 000E'$share/g/t/a/+'")
	if got, err := m.AppendUnsubscribe(nil, header(t, pkt), pkt, u, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("% x, %v, want % x", got, err, want)
	}
	if got, err := m.AppendUnsubscribe(nil, header(t, pkt), pkt, u, len(want)-1); !errors.Is(err, mqttio.ErrTooLarge) || got != nil {
		t.Errorf("% x, %v", got, err)
	}
}

func mounted(m mqttio.Mount, topic []byte) []byte { return append([]byte(m), topic...) }

// mountedProperties moves the response topic the slow way.
func mountedProperties(m mqttio.Mount, p mqttio.Properties) (out mqttio.Properties) {
	response, ok, _ := p.ResponseTopic()
	if !ok {
		return p
	}
	was := append(binary.BigEndian.AppendUint16([]byte{8}, uint16(len(response))), response...)
	at := 0
	for range p.All() { // where the property begins, and not a value that looks like it
		for end := at + 1; ; end++ {
			if next, _, err := p[at:end].ResponseTopic(); err == nil {
				if next != nil && bytes.Equal(p[at:end], was) {
					moved := append(binary.BigEndian.AppendUint16([]byte{8}, uint16(len(m)+len(response))), mounted(m, response)...)
					return slices.Concat(p[:at], moved, p[end:])
				}
				at = end
				break
			}
		}
	}
	return p
}

// FuzzMountPublish: a PUBLISH goes up as paho understands it, with nothing changed but the topics, and comes down again as it was,
// wherever it is cut into parts.
func FuzzMountPublish(f *testing.F) {
	f.Add(b(f, "300F 0001'x' 09 0101 080001'r' 090000 'pl'"), true, "t/a/", uint16(3))
	f.Add(b(f, "300B 0000 07 230001 080001'r' 'p'"), true, "é/", uint16(0))
	f.Add(b(f, "3D07 0001'x' 0102 'pl'"), false, "t/a/", uint16(2))
	f.Add(b(f, "308300 0001'x'"), false, "/", uint16(0))
	f.Fuzz(func(t *testing.T, in []byte, five bool, prefix string, cut uint16) {
		v := mqttio.V311
		if five {
			v = mqttio.V5
		}
		m := mqttio.Mount(prefix)
		h, err := mqttio.ParseHeader(in)
		if err != nil || h.Type() != mqttio.TypePublish || mqttio.Check(h, in, v, mqttio.Up) != nil || !strings.HasSuffix(prefix, "/") || !validTopicName(prefix) {
			return
		}
		in = in[:h.Size()]
		part := in[:max(0, len(in)-int(cut))]
		q, err := mqttio.ParsePublishHead(h, part, v)
		if err != nil {
			part = in
			q, _ = mqttio.ParsePublish(h, in, v)
		}
		response, ok, err := q.Properties.ResponseTopic()
		if err != nil {
			t.Fatal(err)
		}
		if len(q.Topic) > 0 && !m.Holds(q.Topic) || ok && !m.Holds(response) {
			return
		}
		up := m.Up(h, part, v, &q)
		out := append(up.Append(nil), in[len(part):]...)
		if up.Size != len(out) {
			t.Fatalf("% x became % x, size %d", in, out, up.Size)
		}
		if err := check(out, v, mqttio.Up); err != nil {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		pahoSeesMoved(t, in, out, prefix, five)
		back, err := mqttio.ParsePublish(header(t, out), out, v)
		if err != nil {
			t.Fatal(err)
		}
		down := m.Down(header(t, out), out, v, &back)
		got := down.Append(nil)
		h2 := header(t, got)
		if down.Size != len(got) || got[0] != in[0] || !bytes.Equal(got[h2.Len:], in[h.Len:]) {
			t.Fatalf("% x came back as % x", in, got)
		}
	})
}

// pahoSeesMoved has the other implementations read both packets.
func pahoSeesMoved(t *testing.T, in, out []byte, prefix string, five bool) {
	t.Helper()
	if !five {
		was, err := paho3.ReadPacket(bytes.NewReader(in))
		if err != nil {
			return // it is stricter than the specification here and there
		}
		is, err := paho3.ReadPacket(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("paho on % x: %v", out, err)
		}
		want, got := was.(*paho3.PublishPacket), is.(*paho3.PublishPacket)
		want.TopicName = prefix + want.TopicName
		want.RemainingLength = got.RemainingLength
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("paho: %v, want %v", got, want)
		}
		return
	}
	was, err := paho.ReadPacket(bytes.NewReader(in))
	if err != nil {
		return
	}
	is, err := paho.ReadPacket(bytes.NewReader(out))
	if err != nil {
		t.Fatalf("paho on % x: %v", out, err)
	}
	want, got := was.Content.(*paho.Publish), is.Content.(*paho.Publish)
	if want.Topic != "" {
		want.Topic = prefix + want.Topic
	}
	if want.Properties.ResponseTopic != "" {
		want.Properties.ResponseTopic = prefix + want.Properties.ResponseTopic
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("paho: %v, want %v", got, want)
	}
}

// FuzzMountDown: whatever a broker sends, what a device gets of it is a packet as good as the broker's, and names no response
// topic from outside.
func FuzzMountDown(f *testing.F) {
	f.Add(b(f, "3017 0005't/a/x' 0D 0101 080005't/b/r' 090000 'pl'"))
	f.Add(b(f, "3011 0005't/a/x' 07 0B07 080001 0000 'pl'"))
	f.Add(b(f, "3016 0005't/a/x' 0C 0101 080004't/a/' 090000 'pl'"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const m, v = mqttio.Mount("t/a/"), mqttio.V5
		h, err := mqttio.ParseHeader(in)
		if err != nil || h.Type() != mqttio.TypePublish || mqttio.Check(h, in, v, mqttio.Down) != nil {
			return
		}
		q, err := mqttio.ParsePublish(h, in, v)
		topic, inside := m.Device(q.Topic)
		_, _, bad := q.Properties.ResponseTopic()
		if err != nil || bad != nil || !inside && len(q.Topic) > 0 {
			return
		}
		e := m.Down(h, in, v, &q)
		out := e.Append(nil)
		if e.Size != len(out) || e.Size > h.Size() {
			t.Fatalf("% x became % x, size %d", in, out, e.Size)
		}
		if err := check(out, v, mqttio.Down); err != nil {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		got, _ := mqttio.ParsePublish(header(t, out), out, v)
		if !bytes.Equal(got.Topic, topic) || !bytes.Equal(got.Payload, q.Payload) || got.PacketID != q.PacketID {
			t.Fatalf("% x became % x", in, out)
		}
		for p := range got.Properties.All() {
			if p.ID == mqttio.PropResponseTopic && !bytes.Contains(in, mounted(m, p.Value)) {
				t.Fatalf("% x became % x", in, out)
			}
		}
	})
}

// FuzzMountRequest: SUBSCRIBE and UNSUBSCRIBE stay good packets, and every filter stands below the mount.
func FuzzMountRequest(f *testing.F) {
	f.Add(packet(f, 0x82, "0102 02 0B07 0001'#'2D 0001'b'01 000A'$share/g/+'02"), true)
	f.Add(packet(f, 0xA2, "0102 0001'#' 0006'$SYS/#' 0008'$share/g' 000A'$share/g/+'"), false)
	f.Fuzz(func(t *testing.T, in []byte, five bool) {
		const m = mqttio.Mount("t/a/")
		v := mqttio.V311
		if five {
			v = mqttio.V5
		}
		h, err := mqttio.ParseHeader(in)
		if err != nil || mqttio.Check(h, in, v, mqttio.Up) != nil {
			return
		}
		in = in[:h.Size()]
		out, want := requestBelow(m, h, in, v)
		if out == nil {
			return
		}
		if err := check(out, v, mqttio.Up); err != nil {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		if got := filtersOf(header(t, out), out, v); !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}

// requestBelow moves a request below the mount, and says which filters it should have then; nil: it is no request.
func requestBelow(m mqttio.Mount, h mqttio.Header, in []byte, v mqttio.Version) (out []byte, want []string) {
	filters := filtersOf(h, in, v)
	for _, filter := range filters {
		filter, options := filter[:len(filter)-1], filter[len(filter)-1:]
		switch levels := strings.SplitN(filter, "/", 3); {
		case !m.HoldsFilter([]byte(filter)):
			filter = string(m) + "$"
		case levels[0] == "$share":
			filter = "$share/" + levels[1] + "/" + string(m) + levels[2]
		default:
			filter = string(m) + filter
		}
		want = append(want, filter+options)
	}
	switch h.Type() {
	case mqttio.TypeSubscribe:
		s, _ := mqttio.ParseSubscribe(h, in, v)
		out, _ = m.AppendSubscribe(nil, h, in, s, bytes.Repeat([]byte{mqttio.CodeOfBroker}, len(filters)), 1<<20)
	case mqttio.TypeUnsubscribe:
		u, _ := mqttio.ParseUnsubscribe(h, in, v)
		out, _ = m.AppendUnsubscribe(nil, h, in, u, 1<<20)
	}
	return out, want
}

// filtersOf returns the filters of a request, each with a byte behind it: its options, or 0.
func filtersOf(h mqttio.Header, pkt []byte, v mqttio.Version) (filters []string) {
	switch h.Type() {
	case mqttio.TypeSubscribe:
		s, _ := mqttio.ParseSubscribe(h, pkt, v)
		for filter, options := range s.All() {
			filters = append(filters, string(append(bytes.Clone(filter), options)))
		}
	case mqttio.TypeUnsubscribe:
		u, _ := mqttio.ParseUnsubscribe(h, pkt, v)
		for filter := range u.All() {
			filters = append(filters, string(append(bytes.Clone(filter), 0)))
		}
	}
	return filters
}

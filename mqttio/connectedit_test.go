package mqttio_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	paho3 "github.com/eclipse/paho.mqtt.golang/packets"

	paho "github.com/eclipse/paho.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

func edit(t testing.TB, pkt []byte, e mqttio.ConnectEdit) ([]byte, error) {
	t.Helper()
	c, err := mqttio.ParseConnect(pkt)
	if err != nil {
		t.Fatal(err)
	}
	out, err := mqttio.AppendConnect([]byte("xy"), pkt, &c, &e)
	if !bytes.HasPrefix(out, []byte("xy")) {
		t.Fatalf("% x: what stood before is gone", out)
	}
	return out[2:], err
}

func TestAppendConnect(t *testing.T) {
	text := func(s string) *string { return &s }
	for _, tt := range []struct {
		name, pkt, want string
		edit            mqttio.ConnectEdit
	}{
		{"nothing", "0004'MQTT' 04 02 003C 0001'd'", "0004'MQTT' 04 02 003C 0001'd'", mqttio.ConnectEdit{}},
		{"client identifier", "0004'MQTT' 04 02 003C 0001'd'", "0004'MQTT' 04 02 003C 0003'new'", mqttio.ConnectEdit{ClientID: text("new")}},
		{"client identifier where none was", "0004'MQTT' 04 02 003C 0000", "0004'MQTT' 04 02 003C 0003'new'", mqttio.ConnectEdit{ClientID: text("new")}},
		{"empty client identifier", "0004'MQTT' 04 02 003C 0001'd'", "0004'MQTT' 04 02 003C 0000", mqttio.ConnectEdit{ClientID: text("")}},
		{"both credentials added behind a will", "0004'MQTT' 04 2E 003C 0001'd' 0001'w' 0002'by'",
			"0004'MQTT' 04 EE 003C 0001'd' 0001'w' 0002'by' 0001'u' 0002'pw'", mqttio.ConnectEdit{Username: text("u"), Password: text("pw")}},
		{"user name added, password stays", "0004'MQTT' 05 42 003C 00 0001'd' 0002'pw'",
			"0004'MQTT' 05 C2 003C 00 0001'd' 0001'u' 0002'pw'", mqttio.ConnectEdit{Username: text("u")}},
		{"password alone in MQTT 5", "0004'MQTT' 05 02 003C 00 0001'd'", "0004'MQTT' 05 42 003C 00 0001'd' 0002'pw'",
			mqttio.ConnectEdit{Password: text("pw")}},
		{"password replaced", "0004'MQTT' 04 C2 003C 0001'd' 0001'u' 0003'old'", "0004'MQTT' 04 C2 003C 0001'd' 0001'u' 0002'pw'",
			mqttio.ConnectEdit{Password: text("pw")}},
		{"MQTT 3.1 promises what is not there", "0006'MQIsdp' 03 C2 003C 0001'd'", "0006'MQIsdp' 03 82 003C 0001'd' 0001'u'",
			mqttio.ConnectEdit{Username: text("u")}},
		{"MQTT 3.1 as it came", "0006'MQIsdp' 03 C2 003C 0001'd'", "0006'MQIsdp' 03 C2 003C 0003'new'",
			mqttio.ConnectEdit{ClientID: text("new")}},
		{"bridge bit and reserved flag of 3.1", "0006'MQIsdp' 83 03 003C 0001'd'", "0006'MQIsdp' 83 83 003C 0001'd' 0001'u'",
			mqttio.ConnectEdit{Username: text("u")}},
		{"user property", "0004'MQTT' 05 02 003C 05 1100000E10 0001'd'",
			"0004'MQTT' 05 02 003C 0C 1100000E10 260001'n'0001'v' 0001'd'",
			mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Name: "n", Value: "v"}}}},
		{"user property that the device made up", "0004'MQTT' 05 02 003C 19 260001'n'0001'x' 260001'm'0001'x' 1100000E10 260001'n'0000 0001'd'",
			"0004'MQTT' 05 02 003C 13 260001'm'0001'x' 1100000E10 260001'n'0001'v' 0001'd'",
			mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Name: "n", Value: "v"}}}},
		{"user property in 3.1.1", "0004'MQTT' 04 02 003C 0001'd'", "0004'MQTT' 04 02 003C 0001'd'",
			mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Name: "n", Value: "v"}}}},
		{"mount", "0004'MQTT' 04 2E 003C 0001'd' 0001'w' 0002'by'", "0004'MQTT' 04 2E 003C 0001'd' 0005'p/q/w' 0002'by'", mqttio.ConnectEdit{Mount: "p/q/"}},
		{"mount without a will", "0004'MQTT' 04 02 003C 0001'd'", "0004'MQTT' 04 02 003C 0001'd'", mqttio.ConnectEdit{Mount: "p/q/"}},
		{"mount with everything", "0004'MQTT' 05 C6 003C 00 0001'd' 0D 1800000005 080001'r' 090001'c' 0001'w' 0002'by' 0001'u' 0002'pw'",
			"0004'MQTT' 05 C6 003C 00 0001'd' 0F 1800000005 080003'p/r' 090001'c' 0003'p/w' 0002'by' 0001'u' 0001'x'",
			mqttio.ConnectEdit{Mount: "p/", Password: text("x")}},
	} {
		got, err := edit(t, packet(t, 0x10, tt.pkt), tt.edit)
		if want := packet(t, 0x10, tt.want); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: % x, %v\nwant % x", tt.name, got, err, want)
		}
	}
}

func TestAppendConnectRefuses(t *testing.T) {
	text := func(s string) *string { return &s }
	long := strings.Repeat("x", 1<<16)
	for _, tt := range []struct {
		edit mqttio.ConnectEdit
		want error
	}{
		{mqttio.ConnectEdit{ClientID: &long}, mqttio.ErrEditLength},
		{mqttio.ConnectEdit{Username: &long}, mqttio.ErrEditLength},
		{mqttio.ConnectEdit{Username: text("u"), Password: &long}, mqttio.ErrEditLength},
		{mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Name: long}}}, mqttio.ErrEditLength},
		{mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Value: long}}}, mqttio.ErrEditLength},
		{mqttio.ConnectEdit{ClientID: text("a\x00")}, mqttio.ErrEditText},
		{mqttio.ConnectEdit{Username: text("\xFF")}, mqttio.ErrEditText},
		{mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Name: "\xFF"}}}, mqttio.ErrEditText},
		{mqttio.ConnectEdit{UserProperties: []mqttio.UserProperty{{Value: "\x00"}}}, mqttio.ErrEditText},
		{mqttio.ConnectEdit{Password: text("pw")}, mqttio.ErrEditPassword},
	} {
		got, err := edit(t, packet(t, 0x10, "0004'MQTT' 04 02 003C 0001'd'"), tt.edit)
		if !errors.Is(err, tt.want) || len(got) != 0 {
			t.Errorf("%v: %d bytes, %v", tt.want, len(got), err)
		}
	}
	for _, will := range []string{"00 0002'$w'", "05 080002'$r' 0001'w'", "03 080000 0001'w'"} {
		if got, err := edit(t, packet(t, 0x10, "0004'MQTT' 05 06 003C 00 0001'd'"+will+"0000"), mqttio.ConnectEdit{Mount: "p/"}); err != mqttio.ErrEditWill || len(got) != 0 {
			t.Errorf("%s: % x, %v", will, got, err)
		}
	}
	if _, err := edit(t, packet(t, 0x10, "0004'MQTT' 04 02 003C 0001'd'"),
		mqttio.ConnectEdit{Username: text("u"), Password: text("\xFF\x00")}); err != nil {
		t.Errorf("a password is any bytes: %v", err)
	}
}

// An edit changes what it says and nothing else, as both this package and paho read it.
func FuzzAppendConnect(f *testing.F) {
	for mask := range byte(32) {
		f.Add(packet(f, 0x10, "0004'MQTT' 05 E6 0100 05 1100000E10 0003'dev' 05 1800000005 0003'w/t' 0002'by' 0001'u' 0002'pw'"), mask, "a", "b", "c", "n", "v")
		f.Add(packet(f, 0x10, "0004'MQTT' 05 02 0100 0E 260001'n'0000 1100000E10 2100FF 0003'dev'"), mask, "", "é", "\xFF", "n", "")
		f.Add(packet(f, 0x10, "0006'MQIsdp' 83 CE 003C 0003'dev' 0003'w/t' 0004'gone' 0001'u' 0002'pw'"), mask, "a", "b", "c", "n", "v")
		f.Add(packet(f, 0x10, "0006'MQIsdp' 03 C2 003C 0003'dev'"), mask, "a", "b", "c", "n", "v")
		f.Add(packet(f, 0x10, "0004'MQTT' 04 02 003C 0001'd'"), mask, "a", "b", "c", "n", "v")
	}
	f.Fuzz(func(t *testing.T, in []byte, mask byte, id, user, password, name, value string) {
		c, err := mqttio.ParseConnect(in)
		if err != nil {
			return
		}
		var e mqttio.ConnectEdit
		want := c
		if mask&1 != 0 {
			e.ClientID, want.ClientID = &id, []byte(id)
		}
		if mask&2 != 0 {
			e.Username, want.HasUsername, want.Username = &user, true, []byte(user)
		}
		if mask&4 != 0 {
			e.Password, want.HasPassword, want.Password = &password, true, []byte(password)
		}
		if mask&8 != 0 {
			e.UserProperties = []mqttio.UserProperty{{Name: name, Value: value}}
		}
		if mask&16 != 0 {
			e.Mount = "a/é/"
			if c.Will {
				want.WillTopic, want.WillProperties = mounted(e.Mount, c.WillTopic), mountedProperties(e.Mount, c.WillProperties)
			}
		}
		out, err := mqttio.AppendConnect(nil, in, &c, &e)
		if err != nil {
			return
		}
		got, err := mqttio.ParseConnect(out)
		if err != nil {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		sameEdited(t, &got, &want)
		if mask&8 != 0 && c.Version == mqttio.V5 {
			sameUserProperties(t, c.Properties, got.Properties, name, value)
		} else if !bytes.Equal(got.Properties, c.Properties) {
			t.Fatalf("properties % x became % x", c.Properties, got.Properties)
		}
		if mask&31 == 0 && !bytes.Equal(out[header(t, out).Len:], in[header(t, in).Len:header(t, in).Size()]) {
			t.Fatalf("% x became % x by no edit", in, out)
		}
		pahoAgrees(t, out)
	})
}

// sameEdited compares everything but the properties, byte for byte.
func sameEdited(t *testing.T, got, want *mqttio.Connect) {
	t.Helper()
	for _, pair := range [][2][]byte{
		{got.ClientID, want.ClientID}, {got.Username, want.Username}, {got.Password, want.Password},
		{got.WillTopic, want.WillTopic}, {got.WillPayload, want.WillPayload}, {got.WillProperties, want.WillProperties},
	} {
		if !bytes.Equal(pair[0], pair[1]) {
			t.Fatalf("%q, want %q", pair[0], pair[1])
		}
	}
	a, b := *got, *want
	for _, c := range []*mqttio.Connect{&a, &b} {
		c.ClientID, c.Username, c.Password, c.WillTopic, c.WillPayload, c.WillProperties, c.Properties, c.AuthMethod = nil, nil, nil, nil, nil, nil, nil, nil
		c.At = mqttio.ConnectOffsets{}
	}
	if a.Version != b.Version || a.Level != b.Level || a.Bridge != b.Bridge || a.CleanStart != b.CleanStart || a.KeepAlive != b.KeepAlive ||
		a.Will != b.Will || a.WillQoS != b.WillQoS || a.WillRetain != b.WillRetain || a.HasUsername != b.HasUsername ||
		a.HasPassword != b.HasPassword || a.SessionExpiry != b.SessionExpiry || a.ReceiveMaximum != b.ReceiveMaximum ||
		a.MaximumPacketSize != b.MaximumPacketSize || a.TopicAliasMaximum != b.TopicAliasMaximum || a.RequestProblemInfo != b.RequestProblemInfo {
		t.Fatalf("%+v\nwant %+v", a, b)
	}
}

// sameUserProperties wants what was there without those of that name, in its order, then the new one.
func sameUserProperties(t *testing.T, was, got mqttio.Properties, name, value string) {
	t.Helper()
	flat := func(p mqttio.Property) [4]string {
		return [4]string{string(p.ID), string(rune(p.Number)), string(p.Name), string(p.Value)}
	}
	var want, have [][4]string
	for p := range was.All() {
		if p.ID != mqttio.PropUser || string(p.Name) != name {
			want = append(want, flat(p))
		}
	}
	want = append(want, [4]string{string(mqttio.PropUser), "\x00", name, value})
	for p := range got.All() {
		have = append(have, flat(p))
	}
	if !slices.Equal(have, want) {
		t.Fatalf("%q, want %q", have, want)
	}
}

// pahoAgrees holds an edited packet against the other implementations.
func pahoAgrees(t *testing.T, out []byte) {
	t.Helper()
	c, _ := mqttio.ParseConnect(out)
	switch {
	case c.Version == mqttio.V5:
		theirs, err := paho.ReadPacket(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("paho on % x: %v", out, err)
		}
		same5(t, header(t, out), out, theirs.Content)
	case paho3Reads(out):
		theirs, err := paho3.ReadPacket(bytes.NewReader(out))
		if err != nil {
			t.Fatalf("paho on % x: %v", out, err)
		}
		same3(t, header(t, out), out, c.Version, theirs)
	}
}

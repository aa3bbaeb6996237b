package mqttio_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	paho "github.com/eclipse/paho.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

// fields are what a fuzz target puts into packets.
type fields struct {
	s1, s2, topic string
	payload       []byte
	n             uint32
	id            uint16
	flags         byte
}

// What paho writes passes exactly if its fields are what the specification allows, and is then read to the same values.
func FuzzPaho5Writes(f *testing.F) {
	for kind := range byte(8) {
		f.Add(kind, "dev", "value", "a/b", []byte("payload"), uint32(7), uint16(1), byte(2))
		f.Add(kind, "", "\x00", "a/#", []byte{}, uint32(0), uint16(0), byte(0xFF))
		f.Add(kind, "\xFF", "é", "$share/g/a", []byte{0}, uint32(1<<31), uint16(0xFFFF), byte(0x1D))
	}
	f.Fuzz(func(t *testing.T, kind byte, s1, s2, topic string, payload []byte, n uint32, id uint16, flags byte) {
		if max(len(s1), len(s2), len(topic), len(payload)) > 65535 {
			return // paho cuts these
		}
		p, valid := write5(kind, fields{s1, s2, topic, payload, n, id, flags})
		var out bytes.Buffer
		if _, err := p.WriteTo(&out); err != nil {
			t.Fatal(err)
		}
		pkt := out.Bytes()
		h, err := mqttio.ParseHeader(pkt)
		if err != nil || h.Size() != len(pkt) {
			t.Fatalf("% x: size %d, %v", pkt, h.Size(), err)
		}
		err = mqttio.Check(h, pkt, mqttio.V5, mqttio.Up)
		if (err == nil) != valid {
			t.Fatalf("%T % x: %v, but valid is %v", p, pkt, err, valid)
		}
		if err == nil {
			same5(t, h, pkt, p)
		}
	})
}

func validString(s string) bool    { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
func validTopicName(s string) bool { return validString(s) && !strings.ContainsAny(s, "+#") }

// validFilter is written level by level, unlike the code it judges.
func validFilter(s string) bool {
	levels := strings.Split(s, "/")
	if levels[0] == "$share" && len(levels) > 1 {
		if levels[1] == "" || strings.ContainsAny(levels[1], "+#") || len(levels) < 3 {
			return false
		}
		levels = levels[2:]
	}
	if strings.Join(levels, "/") == "" || !validString(s) {
		return false
	}
	for i, level := range levels {
		if len(level) > 1 && strings.ContainsAny(level, "+#") || level == "#" && i < len(levels)-1 {
			return false
		}
	}
	return true
}

// write5 makes a packet of the fields and says whether it is one a device may send.
func write5(kind byte, in fields) (paho.Packet, bool) {
	props := func() *paho.Properties { return &paho.Properties{User: []paho.User{{Key: in.s1, Value: in.s2}}} }
	user := validString(in.s1) && validString(in.s2)
	bit := func(n int) bool { return in.flags>>n&1 != 0 }
	code := in.flags
	switch kind % 8 {
	case 0:
		return writePublish(in, props(), user)
	case 1:
		return writeConnect(in, props(), user)
	case 2:
		p := &paho.Subscribe{PacketID: in.id, Properties: props()}
		id := int(in.n)
		p.Properties.SubscriptionIdentifier = &id
		if in.n > 268435455 {
			p.Properties.SubscriptionIdentifier = nil
		}
		p.Subscriptions = []paho.SubOptions{
			{Topic: in.topic, QoS: in.flags & 3, NoLocal: bit(2), RetainAsPublished: bit(3), RetainHandling: in.flags >> 4 & 3},
			{Topic: in.s1, QoS: 1},
		}
		shared := strings.HasPrefix(in.topic, "$share/")
		return p, user && in.id != 0 && in.n != 0 && validFilter(in.topic) && validFilter(in.s1) && in.flags&3 != 3 &&
			in.flags>>4&3 != 3 && !(shared && bit(2))
	case 3:
		return &paho.Unsubscribe{PacketID: in.id, Topics: []string{in.topic, in.s2}, Properties: props()},
			user && in.id != 0 && validFilter(in.topic) && validFilter(in.s2)
	case 4:
		p := &paho.Puback{PacketID: in.id, ReasonCode: code, Properties: props()}
		p.Properties.ReasonString = in.s2
		return p, user && in.id != 0 && bytes.IndexByte([]byte{0, 16, 128, 131, 135, 144, 145, 151, 153}, code) >= 0
	case 5:
		return &paho.Pubcomp{PacketID: in.id, ReasonCode: code, Properties: props()}, user && in.id != 0 && (code == 0 || code == 0x92)
	case 6:
		p := &paho.Disconnect{ReasonCode: code, Properties: props()}
		p.Properties.SessionExpiryInterval = &in.n
		known := code == 0 || code == 4 || code >= 0x80 && code <= 0xA2 && !bytes.ContainsRune([]byte{0x04, 0x05, 0x06, 0x08, 0x0A, 0x11, 0x12}, rune(code-0x80))
		return p, user && known
	}
	p := &paho.Auth{ReasonCode: code, Properties: props()}
	p.Properties.AuthMethod, p.Properties.AuthData = in.s2, in.payload
	return p, user && in.s2 != "" && (code == 0x18 || code == 0x19)
}

func writePublish(in fields, props *paho.Properties, user bool) (paho.Packet, bool) {
	p := &paho.Publish{
		Topic: in.topic, Payload: in.payload, Properties: props,
		QoS: in.flags & 3, Duplicate: in.flags&4 != 0, Retain: in.flags&8 != 0,
	}
	if p.QoS > 0 {
		p.PacketID = in.id
	}
	props.MessageExpiry, props.ResponseTopic, props.ContentType, props.CorrelationData = &in.n, in.s2, in.s1, in.payload
	alias := true
	if in.flags&16 != 0 {
		props.TopicAlias = &in.id
		alias = in.id != 0
	}
	valid := user && validTopicName(in.topic) && validTopicName(in.s2) && p.QoS < 3 && (p.QoS > 0 || !p.Duplicate) &&
		(p.QoS == 0 || in.id != 0) && alias && (in.topic != "" || props.TopicAlias != nil)
	return p, valid
}

func writeConnect(in fields, props *paho.Properties, user bool) (paho.Packet, bool) {
	p := &paho.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: in.s1, KeepAlive: in.id, Properties: props,
		CleanStart: in.flags&1 != 0, WillFlag: in.flags&2 != 0, UsernameFlag: in.flags&4 != 0, PasswordFlag: in.flags&8 != 0,
	}
	props.SessionExpiryInterval, props.MaximumPacketSize, props.ReceiveMaximum = &in.n, &in.n, &in.id
	valid := user && in.n != 0 && in.id != 0
	if p.WillFlag {
		p.WillTopic, p.WillMessage, p.WillQOS, p.WillRetain = in.topic, in.payload, in.flags>>4&3, in.flags&64 != 0
		p.WillProperties = &paho.Properties{WillDelayInterval: &in.n}
		valid = valid && in.topic != "" && validTopicName(in.topic) && p.WillQOS < 3
	}
	if p.UsernameFlag {
		p.Username = in.s2
	}
	if p.PasswordFlag {
		p.Password = in.payload
	}
	return p, valid
}

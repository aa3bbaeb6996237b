package mqttio_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	paho3 "github.com/eclipse/paho.mqtt.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

// paho.mqtt.golang is the independent witness for MQTT 3.1 and 3.1.1. Where it is known to differ:
//
//   - It refuses an MQTT 3.1 CONNECT whose flags promise a user name or password that is not there, which 3.1 allows.
//   - It takes far more than the specification, as paho.golang does, and reads fields cut by the end of the packet as if
//     they were whole, padded with zeros.
//   - It ends UNSUBSCRIBE at the first empty topic filter.
//
// So it too is asked only for packets that Check accepts up.

func FuzzPaho3Reads(f *testing.F) {
	addGolden(f)
	f.Add(packet(f, 0x10, "0006'MQIsdp' 83 CE 003C 0003'dev' 0003'w/t' 0004'gone' 0001'u' 0002'pw'"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := mqttio.ParseHeader(in)
		if err != nil {
			return
		}
		for _, v := range []mqttio.Version{mqttio.V31, mqttio.V311} {
			if mqttio.Check(h, in, v, mqttio.Up) != nil {
				continue
			}
			if h.Type() == mqttio.TypeConnect && !paho3Reads(in) {
				continue
			}
			theirs, err := paho3.ReadPacket(bytes.NewReader(in[:h.Size()]))
			if err != nil {
				t.Fatalf("%v % x passes, but paho says %v", v, in, err)
			}
			same3(t, h, in, v, theirs)
		}
	})
}

// paho3Reads reports whether a CONNECT is one that paho can be asked for.
func paho3Reads(in []byte) bool {
	c, _ := mqttio.ParseConnect(in)
	flags := in[c.At.Flags]
	return c.Version != mqttio.V5 && c.HasUsername == (flags>>7 == 1) && c.HasPassword == (flags>>6&1 == 1)
}

// same3 holds the view of a packet that was accepted against what paho read of it.
func same3(t *testing.T, h mqttio.Header, in []byte, v mqttio.Version, theirs paho3.ControlPacket) {
	t.Helper()
	var ours, want string
	switch p := theirs.(type) {
	case *paho3.ConnectPacket:
		c, _ := mqttio.ParseConnect(in)
		ours = fmt.Sprintf("%d %q %v %d %v %q %q %d %v %v %q %v %q", c.Level, c.ClientID, c.CleanStart, c.KeepAlive, c.Will, c.WillTopic, c.WillPayload,
			c.WillQoS, c.WillRetain, c.HasUsername, c.Username, c.HasPassword, c.Password)
		want = fmt.Sprintf("%d %q %v %d %v %q %q %d %v %v %q %v %q", p.ProtocolVersion, p.ClientIdentifier, p.CleanSession, p.Keepalive, p.WillFlag,
			p.WillTopic, p.WillMessage, p.WillQos, p.WillRetain, p.UsernameFlag, p.Username, p.PasswordFlag, p.Password)
	case *paho3.PublishPacket:
		q, _ := mqttio.ParsePublish(h, in, v)
		ours = fmt.Sprintf("%q %d %d %v %v %q", q.Topic, q.PacketID, q.QoS, q.Dup, q.Retain, q.Payload)
		want = fmt.Sprintf("%q %d %d %v %v %q", p.TopicName, p.MessageID, p.Qos, p.Dup, p.Retain, p.Payload)
	case *paho3.SubscribePacket:
		s, _ := mqttio.ParseSubscribe(h, in, v)
		ours, want = fmt.Sprint(s.PacketID), fmt.Sprint(p.MessageID)
		for filter, options := range s.All() {
			ours += fmt.Sprintf(" %q %d", filter, options)
		}
		for i, topic := range p.Topics {
			want += fmt.Sprintf(" %q %d", topic, p.Qoss[i])
		}
	case *paho3.UnsubscribePacket:
		u, _ := mqttio.ParseUnsubscribe(h, in, v)
		ours, want = fmt.Sprint(u.PacketID), fmt.Sprint(p.MessageID)
		for filter := range u.All() {
			ours += fmt.Sprintf(" %q", filter)
		}
		for _, topic := range p.Topics {
			want += fmt.Sprintf(" %q", topic)
		}
	case *paho3.PubackPacket, *paho3.PubrecPacket, *paho3.PubrelPacket, *paho3.PubcompPacket:
		a, _ := mqttio.ParseAck(h, in, v)
		ours, want = fmt.Sprint(a.PacketID), fmt.Sprint(p.Details().MessageID)
	}
	if ours != want {
		t.Fatalf("%v % x\nours %s\npaho %s", v, in, ours, want)
	}
}

// What paho writes passes exactly if its fields are what the specification allows, and is then read to the same values.
func FuzzPaho3Writes(f *testing.F) {
	for kind := range byte(8) {
		f.Add(kind, "dev", "a/b", []byte("payload"), uint16(1), byte(2))
		f.Add(kind, "\x00", "a/#", []byte{}, uint16(0), byte(0xFF))
		f.Add(kind, "é", "$share/g/a", []byte{0}, uint16(0xFFFF), byte(0x1D))
	}
	f.Fuzz(func(t *testing.T, kind byte, s, topic string, payload []byte, id uint16, flags byte) {
		if max(len(s), len(topic), len(payload)) > 65535 {
			return // paho cuts these
		}
		v := mqttio.V311
		if kind&8 != 0 {
			v = mqttio.V31
		}
		p, valid := write3(kind, v, fields{s1: s, topic: topic, payload: payload, id: id, flags: flags})
		var out bytes.Buffer
		if err := p.Write(&out); err != nil {
			t.Fatal(err)
		}
		pkt := out.Bytes()
		h, err := mqttio.ParseHeader(pkt)
		if err != nil || h.Size() != len(pkt) {
			t.Fatalf("% x: size %d, %v", pkt, h.Size(), err)
		}
		err = mqttio.Check(h, pkt, v, mqttio.Up)
		if (err == nil) != valid {
			t.Fatalf("%v %T % x: %v, but valid is %v", v, p, pkt, err, valid)
		}
		if err == nil {
			same3(t, h, pkt, v, p)
		}
	})
}

// validFilter3 is validFilter where "$share" is a level like any other.
func validFilter3(s string) bool {
	if strings.HasPrefix(s, "$share") {
		s = s[1:]
	}
	return s != "" && validFilter(s)
}

// write3 makes a packet of the fields and says whether it is one a device may send.
func write3(kind byte, v mqttio.Version, in fields) (paho3.ControlPacket, bool) {
	switch kind % 8 {
	case 0:
		p := paho3.NewControlPacket(paho3.Publish).(*paho3.PublishPacket)
		p.TopicName, p.Payload, p.Qos, p.Dup, p.Retain = in.topic, in.payload, in.flags&3, in.flags&4 != 0, in.flags&8 != 0
		if p.Qos > 0 {
			p.MessageID = in.id
		}
		return p, in.topic != "" && validTopicName(in.topic) && p.Qos < 3 && (p.Qos > 0 || !p.Dup || v == mqttio.V31) && (p.Qos == 0 || in.id != 0)
	case 1:
		return writeConnect3(v, in)
	case 2:
		p := paho3.NewControlPacket(paho3.Subscribe).(*paho3.SubscribePacket)
		p.MessageID, p.Topics, p.Qoss = in.id, []string{in.topic, in.s1}, []byte{in.flags & 7, 1}
		return p, in.id != 0 && validFilter3(in.topic) && validFilter3(in.s1) && in.flags&7 < 3
	case 3:
		p := paho3.NewControlPacket(paho3.Unsubscribe).(*paho3.UnsubscribePacket)
		p.MessageID, p.Topics = in.id, []string{in.topic, in.s1}
		return p, in.id != 0 && validFilter3(in.topic) && validFilter3(in.s1)
	case 4:
		p := paho3.NewControlPacket(paho3.Puback).(*paho3.PubackPacket)
		p.MessageID, p.Dup = in.id, in.flags&1 != 0
		return p, in.id != 0 && (!p.Dup || v == mqttio.V31)
	case 5:
		p := paho3.NewControlPacket(paho3.Pubrel).(*paho3.PubrelPacket)
		p.MessageID, p.Dup = in.id, in.flags&1 != 0
		return p, in.id != 0 && (!p.Dup || v == mqttio.V31)
	case 6:
		return paho3.NewControlPacket(paho3.Pingreq), true
	}
	return paho3.NewControlPacket(paho3.Disconnect), true
}

func writeConnect3(v mqttio.Version, in fields) (paho3.ControlPacket, bool) {
	p := paho3.NewControlPacket(paho3.Connect).(*paho3.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", 4
	if v == mqttio.V31 {
		p.ProtocolName, p.ProtocolVersion = "MQIsdp", 3
	}
	p.ClientIdentifier, p.Keepalive = in.s1, in.id
	p.CleanSession, p.WillFlag, p.UsernameFlag, p.PasswordFlag = in.flags&1 != 0, in.flags&2 != 0, in.flags&4 != 0, in.flags&8 != 0
	p.WillQos, p.WillRetain = in.flags>>4&3, in.flags&64 != 0
	valid := validString(in.s1) && (p.UsernameFlag || !p.PasswordFlag)
	if p.WillFlag {
		p.WillTopic, p.WillMessage = in.topic, in.payload
		valid = valid && in.topic != "" && validTopicName(in.topic) && p.WillQos < 3
	} else {
		valid = valid && p.WillQos == 0 && !p.WillRetain
	}
	if p.UsernameFlag {
		p.Username = in.topic
		valid = valid && validString(in.topic)
	}
	if p.PasswordFlag {
		p.Password = in.payload
	}
	return p, valid
}

package mqttio_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	paho "github.com/eclipse/paho.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

// paho.golang is the independent witness for MQTT 5. Where it is known to differ:
//
//   - It refuses a DISCONNECT with Remaining Length 0, which MQTT 5 section 3.14.2.1 allows.
//   - It takes far more than the specification: any UTF-8, wildcards, packet identifier 0, reserved flags, trailing bytes,
//     properties given twice (the last counts), property blocks longer than the packet, CONNECT properties in a will.
//   - It keeps one Subscription Identifier of a PUBLISH, the last.
//   - It writes only the Will Delay Interval and User Properties of a will, and no empty string properties.
//
// So it is asked only for packets that Check accepts up, and whether it reads the same there.

func FuzzPaho5Reads(f *testing.F) {
	addGolden(f)
	f.Add(packet(f, 0x10, "0004'MQTT' 05 E6 0100 05 1100000E10 0003'dev' 05 1800000005 0003'w/t' 0002'by' 0001'u' 0002'pw'"))
	f.Add(packet(f, 0x10, "0004'MQTT' 05 02 0100 1A 210014 2700010000 220005 1700 1901 150002'SC' 160001'x' 0003'dev'"))
	f.Add(b(f, "3025 0001't' 20 0101 0200000010 030001'c' 080001'r' 090001'd' 260001'k'0000 230009 'hi'"))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := mqttio.ParseHeader(in)
		if err != nil || mqttio.Check(h, in, mqttio.V5, mqttio.Up) != nil {
			return
		}
		in = in[:h.Size()]
		if h.Type() == mqttio.TypeConnect {
			if c, _ := mqttio.ParseConnect(in); c.Version != mqttio.V5 {
				return
			}
		}
		if h.Type() == mqttio.TypeDisconnect && h.Remaining == 0 {
			return
		}
		theirs, err := paho.ReadPacket(bytes.NewReader(in))
		if err != nil {
			t.Fatalf("% x passes, but paho says %v", in, err)
		}
		same5(t, h, in, theirs.Content)
	})
}

// same5 holds the view of a packet that was accepted against what paho read of it.
func same5(t *testing.T, h mqttio.Header, in []byte, theirs paho.Packet) {
	t.Helper()
	var ours, want string
	switch p := theirs.(type) {
	case *paho.Connect:
		c, _ := mqttio.ParseConnect(in)
		ours = fmt.Sprintf("%q %v %d %v %q %q %d %v %v %q %v %q", c.ClientID, c.CleanStart, c.KeepAlive, c.Will, c.WillTopic, c.WillPayload,
			c.WillQoS, c.WillRetain, c.HasUsername, c.Username, c.HasPassword, c.Password)
		want = fmt.Sprintf("%q %v %d %v %q %q %d %v %v %q %v %q", p.ClientID, p.CleanStart, p.KeepAlive, p.WillFlag, p.WillTopic, p.WillMessage,
			p.WillQOS, p.WillRetain, p.UsernameFlag, p.Username, p.PasswordFlag, p.Password)
		sameConnectProperties(t, c, p)
	case *paho.Publish:
		v, _ := mqttio.ParsePublish(h, in, mqttio.V5)
		ours = fmt.Sprintf("%q %d %d %v %v %q", v.Topic, v.PacketID, v.QoS, v.Dup, v.Retain, v.Payload)
		want = fmt.Sprintf("%q %d %d %v %v %q", p.Topic, p.PacketID, p.QoS, p.Duplicate, p.Retain, p.Payload)
		sameProperties(t, v.Properties, p.Properties)
	case *paho.Subscribe:
		v, _ := mqttio.ParseSubscribe(h, in, mqttio.V5)
		ours, want = fmt.Sprint(v.PacketID), fmt.Sprint(p.PacketID)
		for filter, options := range v.All() {
			ours += fmt.Sprintf(" %q %d", filter, options)
		}
		for _, s := range p.Subscriptions {
			want += fmt.Sprintf(" %q %d", s.Topic, s.Pack())
		}
		sameProperties(t, v.Properties, p.Properties)
	case *paho.Unsubscribe:
		v, _ := mqttio.ParseUnsubscribe(h, in, mqttio.V5)
		ours, want = fmt.Sprint(v.PacketID), fmt.Sprint(p.PacketID)
		for filter := range v.All() {
			ours += fmt.Sprintf(" %q", filter)
		}
		for _, topic := range p.Topics {
			want += fmt.Sprintf(" %q", topic)
		}
		sameProperties(t, v.Properties, p.Properties)
	case *paho.Disconnect:
		v, _ := mqttio.ParseDisconnect(h, in, mqttio.V5)
		ours = fmt.Sprintf("%d %q %q %v %d", v.Code, v.ReasonString, v.ServerReference, v.HasSessionExpiry, v.SessionExpiry)
		want = fmt.Sprintf("%d %q %q %v %d", p.ReasonCode, p.Properties.ReasonString, p.Properties.ServerReference,
			p.Properties.SessionExpiryInterval != nil, number(p.Properties.SessionExpiryInterval))
		sameProperties(t, v.Properties, p.Properties)
	default:
		ours, want = sameAck(h, in, theirs)
	}
	if ours != want {
		t.Fatalf("% x\nours %s\npaho %s", in, ours, want)
	}
}

func sameAck(h mqttio.Header, in []byte, theirs paho.Packet) (ours, want string) {
	a, _ := mqttio.ParseAck(h, in, mqttio.V5)
	ours = fmt.Sprint(a.PacketID, a.Code)
	switch p := theirs.(type) {
	case *paho.Puback:
		want = fmt.Sprint(p.PacketID, p.ReasonCode)
	case *paho.Pubrec:
		want = fmt.Sprint(p.PacketID, p.ReasonCode)
	case *paho.Pubrel:
		want = fmt.Sprint(p.PacketID, p.ReasonCode)
	case *paho.Pubcomp:
		want = fmt.Sprint(p.PacketID, p.ReasonCode)
	default:
		return "", "" // PINGREQ, and AUTH, which has no view
	}
	return ours, want
}

func sameConnectProperties(t *testing.T, c mqttio.Connect, p *paho.Connect) {
	t.Helper()
	sameProperties(t, c.Properties, p.Properties)
	sameProperties(t, c.WillProperties, p.WillProperties)
	ours := fmt.Sprintf("%d %d %d %d %v %q", c.SessionExpiry, c.ReceiveMaximum, c.MaximumPacketSize, c.TopicAliasMaximum, c.RequestProblemInfo, c.AuthMethod)
	q := p.Properties
	receive, problem := uint32(65535), true
	if q.ReceiveMaximum != nil {
		receive = number(q.ReceiveMaximum)
	}
	if q.RequestProblemInfo != nil {
		problem = *q.RequestProblemInfo == 1
	}
	want := fmt.Sprintf("%d %d %d %d %v %q", number(q.SessionExpiryInterval), receive, number(q.MaximumPacketSize), number(q.TopicAliasMaximum), problem, q.AuthMethod)
	if ours != want {
		t.Fatalf("CONNECT properties\nours %s\npaho %s", ours, want)
	}
}

// sameProperties compares all properties. Those absent and those empty are one for paho.
func sameProperties(t *testing.T, ours mqttio.Properties, theirs *paho.Properties) {
	t.Helper()
	var got, want []string
	for p := range ours.All() {
		if p.ID == mqttio.PropUser || p.Number != 0 || len(p.Value) > 0 {
			got = append(got, fmt.Sprintf("%#02x %d %q %q", byte(p.ID), p.Number, p.Name, p.Value))
		}
	}
	if theirs == nil {
		theirs = &paho.Properties{}
	}
	add := func(id mqttio.PropertyID, number uint32, value string) {
		if number != 0 || value != "" {
			want = append(want, fmt.Sprintf("%#02x %d %q %q", byte(id), number, "", value))
		}
	}
	add(mqttio.PropPayloadFormat, number(theirs.PayloadFormat), "")
	add(mqttio.PropMessageExpiry, number(theirs.MessageExpiry), "")
	add(mqttio.PropContentType, 0, theirs.ContentType)
	add(mqttio.PropResponseTopic, 0, theirs.ResponseTopic)
	add(mqttio.PropCorrelationData, 0, string(theirs.CorrelationData))
	add(mqttio.PropSubscriptionID, number(theirs.SubscriptionIdentifier), "")
	add(mqttio.PropSessionExpiry, number(theirs.SessionExpiryInterval), "")
	add(mqttio.PropAuthMethod, 0, theirs.AuthMethod)
	add(mqttio.PropAuthData, 0, string(theirs.AuthData))
	add(mqttio.PropRequestProblemInfo, number(theirs.RequestProblemInfo), "")
	add(mqttio.PropWillDelay, number(theirs.WillDelayInterval), "")
	add(mqttio.PropRequestResponseInfo, number(theirs.RequestResponseInfo), "")
	add(mqttio.PropServerReference, 0, theirs.ServerReference)
	add(mqttio.PropReasonString, 0, theirs.ReasonString)
	add(mqttio.PropReceiveMaximum, number(theirs.ReceiveMaximum), "")
	add(mqttio.PropTopicAliasMaximum, number(theirs.TopicAliasMaximum), "")
	add(mqttio.PropTopicAlias, number(theirs.TopicAlias), "")
	add(mqttio.PropMaximumPacketSize, number(theirs.MaximumPacketSize), "")
	for _, u := range theirs.User {
		want = append(want, fmt.Sprintf("%#02x %d %q %q", byte(mqttio.PropUser), 0, u.Key, u.Value))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("properties\nours %q\npaho %q", got, want)
	}
}

func number[T byte | uint16 | uint32 | int](p *T) uint32 {
	if p == nil {
		return 0
	}
	return uint32(*p)
}

package packet_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGoldenPackets(t *testing.T) {
	for name, x := range map[string]struct {
		got  []byte
		want string
	}{
		"CONNECT 3.1":                    {packet.V31.Connect(packet.Connect{ClientID: "d", Clean: true, KeepAlive: 60}), "100f00064d51497364700302003c000164"},
		"CONNECT 3.1.1":                  {packet.V311.Connect(packet.Connect{ClientID: "d", Clean: true, KeepAlive: 60}), "100d00044d5154540402003c000164"},
		"CONNECT 5":                      {packet.V5.Connect(packet.Connect{ClientID: "d", Clean: true, KeepAlive: 60}), "100e00044d5154540502003c00000164"},
		"CONNECT 5 with Receive Maximum": {packet.V5.Connect(packet.Connect{ClientID: "d", ReceiveMaximum: 0xFFFF}), "101100044d5154540500000003" + "21ffff" + "000164"},
		"PUBLISH 3.1.1":                  {packet.V311.Publish(packet.Message{Topic: "a", Payload: []byte("x"), QoS: 1, ID: 7, Dup: true}), "3a06000161000778"},
		"PUBLISH 5":                      {packet.V5.Publish(packet.Message{Topic: "a", Payload: []byte("x"), QoS: 2, ID: 7, Retain: true}), "35070001610007" + "0078"},
		"SUBSCRIBE":                      {packet.V311.Subscribe(1, 2, "a"), "82060001000161" + "02"},
		"SUBSCRIBE 5":                    {packet.V5.Subscribe(1, 2, "a"), "8207000100000161" + "02"},
		"PUBREL":                         {packet.Ack(packet.PUBREL, 0x102), "62020102"},
		"PINGREQ":                        {packet.Pingreq(), "c000"},
		"DISCONNECT":                     {packet.Disconnect(), "e000"},
	} {
		if got := hex.EncodeToString(x.got); got != x.want {
			t.Errorf("%s: %s, want %s", name, got, x.want)
		}
		if n, err := packet.Size(x.got); err != nil || n != len(x.got) {
			t.Errorf("%s: Size %d %v", name, n, err)
		}
	}
}

func TestWhatIsPublishedIsDecoded(t *testing.T) {
	for _, v := range []packet.Version{packet.V31, packet.V311, packet.V5} {
		m := packet.Message{Topic: "a/b", Payload: bytes.Repeat([]byte("z"), 300), QoS: 2, ID: 9, Dup: true}
		p, err := v.Decode(v.Publish(m))
		if err != nil || p.Topic != m.Topic || !bytes.Equal(p.Payload, m.Payload) || p.ID != 9 || !p.Dup || p.QoS != 2 {
			t.Errorf("%s: %+v %v", v, p, err)
		}
	}
}

func TestSizeRefusesFiveBytes(t *testing.T) {
	if _, err := packet.Size([]byte{0x30, 0x80, 0x80, 0x80, 0x80, 1}); err == nil {
		t.Error("a Remaining Length of five bytes was taken")
	}
	if n, err := packet.Size([]byte{0x30, 0x80}); n != 0 || err != nil {
		t.Errorf("%d %v", n, err)
	}
}

func TestVersions(t *testing.T) {
	if _, err := packet.ParseVersion("6"); err == nil || !strings.Contains(err.Error(), "3.1.1") {
		t.Errorf("got %v", err)
	}
}

// [MQTT-3.1.2-2] of 3.1.1: the answer of a broker that knows no MQTT 5 has two bytes, and not the properties of MQTT 5.
func TestOlderConnackIsRead(t *testing.T) {
	p, err := packet.V5.Decode([]byte{0x20, 2, 0, 1})
	if err != nil || p.Type != packet.CONNACK || p.Code != 1 {
		t.Errorf("%+v %v", p, err)
	}
	for code, want := range map[byte]string{1: "1 (unacceptable protocol version)", 0x84: "0x84 (unsupported protocol version)", 0xFE: "0xFE"} {
		if got := packet.ConnackText(code); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

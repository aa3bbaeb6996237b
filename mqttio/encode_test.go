package mqttio_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"mqtt-ws-bridge/mqttio"
)

func TestAppendConnack(t *testing.T) {
	for _, tt := range []struct {
		v      mqttio.Version
		code   byte
		reason string
		want   string
	}{
		{mqttio.V31, 3, "not sent", "20020003"},
		{mqttio.V311, 5, "", "20020005"},
		{mqttio.V5, 0x88, "", "20030088 00"},
		{mqttio.V5, 0x88, "gone", "200A 0088 07 1F 0004'gone'"},
		{mqttio.V5, 0x88, "a\x00b\xFF", "2008 0088 05 1F 0002'ab'"},
	} {
		got := mqttio.AppendConnack([]byte("xy"), tt.v, tt.code, tt.reason)
		if want := append([]byte("xy"), b(t, tt.want)...); !bytes.Equal(got, want) {
			t.Errorf("%v %#x %q: % x, want % x", tt.v, tt.code, tt.reason, got, want)
		}
		c, err := mqttio.ParseConnack(got[2:], tt.v)
		if err != nil || c.Code != tt.code || c.SessionPresent {
			t.Errorf("%v %#x: %+v, %v", tt.v, tt.code, c, err)
		}
	}
}

func TestAppendDisconnect(t *testing.T) {
	if got, want := mqttio.AppendDisconnect(nil, 0x8B, ""), b(t, "E0028B00"); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	got := mqttio.AppendDisconnect(nil, 0x8B, "bye")
	d, err := mqttio.ParseDisconnect(header(t, got), got, mqttio.V5)
	if err != nil || d.Code != 0x8B || string(d.ReasonString) != "bye" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestReasonIsCutBetweenCharacters(t *testing.T) {
	got := mqttio.AppendDisconnect(nil, 0x8B, "x"+strings.Repeat("é", 200))
	d, err := mqttio.ParseDisconnect(header(t, got), got, mqttio.V5)
	if err != nil || len(d.ReasonString) != 255 || !utf8.Valid(d.ReasonString) {
		t.Errorf("%d bytes, %v", len(d.ReasonString), err)
	}
}

func TestReasonOfExactlyTheLimit(t *testing.T) {
	got := mqttio.AppendConnack(nil, mqttio.V5, 0x88, strings.Repeat("x", 256))
	if c, err := mqttio.ParseConnack(got, mqttio.V5); err != nil || len(c.ReasonString) != 256 {
		t.Errorf("%d bytes, %v", len(c.ReasonString), err)
	}
}

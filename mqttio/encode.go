package mqttio

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/packets"
)

// maxReason bounds the Reason String of the packets the bridge says, so that they fit small devices.
const maxReason = 256

// AppendConnack appends a CONNACK without Session Present to dst: in 3.x with code as return code, in MQTT 5 as reason
// code, with reason as Reason String unless it is empty. reason is made valid and cut to 256 bytes. The caller sees to
// it that the packet is not larger than the device accepts [MQTT-3.2.2-19].
func AppendConnack(dst []byte, v Version, code byte, reason string) []byte {
	if v != V5 {
		return append(dst, byte(TypeConnack)<<4, 2, 0, code)
	}
	return appendPacket(dst, &packets.Connack{
		ReasonCode: code,
		Properties: &packets.Properties{ReasonString: validReason(reason)},
	})
}

// AppendDisconnect appends a DISCONNECT of MQTT 5 to dst, with reason as Reason String unless it is empty. reason is
// made valid and cut to 256 bytes. The caller sees to it that the packet is not larger than the device accepts
// [MQTT-3.14.2-3]. In 3.x a broker must not send DISCONNECT.
func AppendDisconnect(dst []byte, code byte, reason string) []byte {
	return appendPacket(dst, &packets.Disconnect{
		ReasonCode: code,
		Properties: &packets.Properties{ReasonString: validReason(reason)},
	})
}

func appendPacket(dst []byte, p packets.Packet) []byte {
	b := bytes.NewBuffer(dst)
	_, _ = p.WriteTo(b) // a bytes.Buffer takes all
	return b.Bytes()
}

// validReason returns the part of s that may stand in a UTF-8 Encoded String.
func validReason(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) <= maxReason {
		return s
	}
	end := maxReason
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

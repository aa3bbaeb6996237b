//go:build linux

package attacks

import "encoding/binary"

// hello is a CONNECT. The zero value, with a version, is the least that is one.
type hello struct {
	version    byte // 3: 3.1, 4: 3.1.1, 5
	id         string
	keepAlive  uint16
	will       string // topic; the message is "gone"
	user       string
	password   string
	properties string // of MQTT 5
}

func (h hello) packet() string {
	name, flags := "MQTT", byte(0x02)
	if h.version == 3 {
		name = "MQIsdp"
	}
	if h.will != "" {
		flags |= 0x04
	}
	if h.user != "" {
		flags |= 0x80
	}
	if h.password != "" {
		flags |= 0x40
	}
	b := str(name) + string([]byte{h.version, flags, byte(h.keepAlive >> 8), byte(h.keepAlive)})
	if h.version == 5 {
		b += varint(len(h.properties)) + h.properties
	}
	b += str(h.id)
	if h.will != "" {
		if h.version == 5 {
			b += "\x00"
		}
		b += str(h.will) + str("gone")
	}
	if h.user != "" {
		b += str(h.user)
	}
	if h.password != "" {
		b += str(h.password)
	}
	return packet(0x10, b)
}

// Packets of MQTT 3.1.1.
const (
	pingreq    = "\xc0\x00"
	pingresp   = "\xd0\x00"
	disconnect = "\xe0\x00"
)

// publish is a PUBLISH with QoS 0 in MQTT 3.1.1.
func publish(topic, payload string) string { return packet(0x30, str(topic)+payload) }

// subscribe asks for one filter with QoS 0, in MQTT 3.1.1.
func subscribe(id uint16, filter string) string {
	return packet(0x82, string(binary.BigEndian.AppendUint16(nil, id))+str(filter)+"\x00")
}

// packet puts a fixed header before a body.
func packet(first byte, body string) string { return string([]byte{first}) + varint(len(body)) + body }

// str is a string with its length before it.
func str(s string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(len(s)))) + s
}

// varint is a Variable Byte Integer.
func varint(n int) string {
	var b []byte
	for {
		digit := byte(n & 0x7f)
		if n >>= 7; n == 0 {
			return string(append(b, digit))
		}
		b = append(b, digit|0x80)
	}
}

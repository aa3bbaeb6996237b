package mqttio

import "fmt"

// CONNACK codes of MQTT 3.1 and 3.1.1 (section 3.2.2.3) and reason codes of MQTT 5 (section 2.4).
const (
	Connack3Version       = 0x01
	Connack3Unavailable   = 0x03
	Connack3NotAuthorized = 0x05

	CodeUnspecified    = 0x80
	CodeMalformed      = 0x81
	CodeProtocol       = 0x82
	CodeSpecific       = 0x83
	CodeVersion        = 0x84
	CodeNotAuthorized  = 0x87
	CodeUnavailable    = 0x88
	CodeBusy           = 0x89
	CodeShuttingDown   = 0x8B
	CodeKeepAlive      = 0x8D
	CodePacketTooLarge = 0x95
	CodeQuotaExceeded  = 0x97
	CodeConnectRate    = 0x9F
	CodeConnectTime    = 0xA0
)

// connackNames3 are the return codes of CONNACK in MQTT 3.1 and 3.1.1, from 1 on (section 3.2.2.3).
var connackNames3 = []string{"unacceptable protocol version", "identifier rejected", "server unavailable", "bad user name or password", "not authorized"}

// codeNames are the reason codes of CONNACK and DISCONNECT in MQTT 5 (sections 3.2.2.2 and 3.14.2.1).
var codeNames = map[byte]string{
	0x00: "normal disconnection",
	0x04: "disconnect with will message",
	0x80: "unspecified error",
	0x81: "malformed packet",
	0x82: "protocol error",
	0x83: "implementation specific error",
	0x84: "unsupported protocol version",
	0x85: "client identifier not valid",
	0x86: "bad user name or password",
	0x87: "not authorized",
	0x88: "server unavailable",
	0x89: "server busy",
	0x8A: "banned",
	0x8B: "server shutting down",
	0x8C: "bad authentication method",
	0x8D: "keep alive timeout",
	0x8E: "session taken over",
	0x8F: "topic filter invalid",
	0x90: "topic name invalid",
	0x93: "receive maximum exceeded",
	0x94: "topic alias invalid",
	0x95: "packet too large",
	0x96: "message rate too high",
	0x97: "quota exceeded",
	0x98: "administrative action",
	0x99: "payload format invalid",
	0x9A: "retain not supported",
	0x9B: "QoS not supported",
	0x9C: "use another server",
	0x9D: "server moved",
	0x9E: "shared subscriptions not supported",
	0x9F: "connection rate exceeded",
	0xA0: "maximum connect time",
	0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// ConnackText says what a code of CONNACK means: not authorized (0x05).
func ConnackText(code byte, v Version) string {
	if v == V5 {
		return CodeText(code)
	}
	if n := int(code) - 1; n >= 0 && n < len(connackNames3) {
		return fmt.Sprintf("%s (0x%02X)", connackNames3[n], code)
	}
	return fmt.Sprintf("code 0x%02X, which MQTT %s does not have", code, v)
}

// CodeText says what a reason code of MQTT 5 means: not authorized (0x87).
func CodeText(code byte) string {
	if name, ok := codeNames[code]; ok {
		return fmt.Sprintf("%s (0x%02X)", name, code)
	}
	return fmt.Sprintf("code 0x%02X, which MQTT 5 does not have", code)
}

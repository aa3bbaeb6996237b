package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// AnswerUnwrapped makes the CONNACK for a peer that sends MQTT without a WebSocket around it, of which head is what has come, and says
// what the log may tell of the peer. Unless whole, more of CONNECT may make a better answer. An answer that is empty means that none
// can be given: no version of MQTT was read.
func AnswerUnwrapped(r *reason.Reason, head []byte) (answer []byte, fact error, whole bool) {
	c, err := mqttio.ParseConnect(head)
	version := c.Answer
	short := errors.Is(err, mqttio.ErrShort)
	if short {
		version = versionOf(head)
	}
	if version == 0 {
		return nil, fmt.Errorf("no CONNECT: %w", err), !short
	}
	code := r.Connack3
	if version == mqttio.V5 {
		code = r.Connack5
	}
	if short { // how much it takes stands further on
		return mqttio.AppendConnack(nil, version, code, ""), fmt.Errorf("MQTT %s", version), false
	}
	answer = mqttio.AppendConnack(nil, version, code, r.String())
	if limit := c.MaximumPacketSize; limit > 0 && uint64(len(answer)) > uint64(limit) { // [MQTT-3.2.2-19]
		answer = mqttio.AppendConnack(nil, version, code, "")
	}
	return answer, fmt.Errorf("MQTT %s, client identifier %q", version, forLog(c.ClientID)), true
}

// versionOf reads the version from the beginning of a CONNECT, 0 if there is none.
func versionOf(head []byte) mqttio.Version {
	h, err := mqttio.ParseHeader(head)
	if err != nil {
		return 0
	}
	for name, versions := range map[string][]mqttio.Version{"\x00\x04MQTT": {mqttio.V311, mqttio.V5}, "\x00\x06MQIsdp": {mqttio.V31}} {
		rest, ok := bytes.CutPrefix(head[h.Len:], []byte(name))
		if ok && len(rest) > 0 && slices.Contains(versions, mqttio.Version(rest[0])) {
			return mqttio.Version(rest[0])
		}
	}
	return 0
}

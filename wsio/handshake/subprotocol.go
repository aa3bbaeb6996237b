package handshake

import (
	"net/http"
	"strings"
)

// mqttNames are the names under which MQTT is offered, best first. "mqtt" is the registered one [MQTT-6.0.0-3]; the
// others are what Paho JavaScript before 3.1.1, MQTT.js with protocolVersion 3 and Dart's mqtt_client offer.
var mqttNames = []string{"mqtt", "mqttv3.11", "mqttv3.1"}

// selectSubprotocol picks one of the names that the device offers, in the device's own spelling: clients compare it
// letter by letter with what they sent. offered says whether there was any.
func selectSubprotocol(h http.Header, extra []string) (name string, offered bool) {
	offers := offeredSubprotocols(h)
	for _, names := range [][]string{mqttNames, extra} {
		for _, known := range names {
			for _, offer := range offers {
				if equalASCII(offer, known) {
					return offer, true
				}
			}
		}
	}
	return "", len(offers) > 0
}

// offeredSubprotocols splits all Sec-WebSocket-Protocol lines: a list may be spread over several (RFC 6455 section 11.3.4).
func offeredSubprotocols(h http.Header) []string {
	var offers []string
	for _, line := range h.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				offers = append(offers, name)
			}
		}
	}
	return offers
}

// equalASCII compares without regard to case, but only between ASCII letters: what is echoed must be what is known.
func equalASCII(a, b string) bool {
	return len(a) == len(b) && strings.EqualFold(a, b)
}

package profile

import (
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
)

var closeOK = []byte{0x03, 0xE8} // 1000

// mqttSubprotocol is what nearly everybody offers.
var mqttSubprotocol = []string{"mqtt"}

// lenient reads the answer as a complete HTTP client does.
var lenient = ResponseRules{Upgrade: WholeFold, Connection: ContainsFold, Accept: true, Extensions: ExtensionsUnasked}

// All returns every profile, in the order of the documentation. The result is the caller's own.
func All() []Profile {
	out := append(microcontrollers(), phones()...)
	return append(out, computers()...)
}

func esp32() Profile {
	return Profile{
		Name: "esp32-idf", Engine: Raw,
		Summary: "frame header and payload in two writes, PUBLISH above 1 KiB as several messages, any HTTP answer must fit 1023 B",
		Known: []string{"esp-idf components/tcp_transport/transport_ws.c", "esp-mqtt lib/include/mqtt_config.h",
			"esp-idf#14181", "esp-idf#16871"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostPort, UserAgent: "ESP32 Websocket Client", Path: "/"},
		Response: ResponseRules{Limit: 1023, Accept: true},
		Uplink:   Uplink{Cut: Chunks, Chunk: 1024, HeaderApart: true},
		Receiver: Receiver{Continuation: Accept, Text: Accept, Empty: Drop, Ping: AnswerPong},
		Closing:  Closing{Plain: true},
		MQTT:     packet.V311, KeepAlive: 120 * time.Second, PingAt: 0.5,
		Reconnect: Backoff{First: 10 * time.Second},
	}
}

func arduino() Profile {
	return Profile{
		Name: "esp8266-arduino", Engine: Raw,
		Summary: "Origin file://, frames above 15,360 B closed with 1009, zero mask from 1400 B, fragments discarded, one packet per frame",
		Known: []string{"arduinoWebSockets src/WebSockets.h:66-117", "arduinoWebSockets src/WebSockets.cpp:438",
			"MQTTPubSubClient", "arduinoWebSockets#393"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostPort, Origin: FileOrigin,
			UserAgent: "arduino-WebSocket-Client", Path: "/"},
		Response: ResponseRules{Upgrade: WholeFold, Connection: WholeFold, Accept: true},
		Uplink:   Uplink{Mask: ZeroLargeMask, WideAt64K: true},
		Receiver: Receiver{MaxFrame: 15360, MaxFrameClose: 1009, Continuation: Drop, OnePacketPerFrame: true},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 100 * time.Second, PingAt: 0.5,
		Reconnect: Backoff{First: 500 * time.Millisecond},
	}
}

func microcontrollers() []Profile {
	legacy := esp32()
	legacy.Name = "esp32-idf-legacy"
	legacy.Summary = "as esp32-idf, but needs the 101 in one read, loses bytes behind it and parses a ping's payload as MQTT"
	legacy.Known = []string{"esp-idf#3461", "esp-idf#6307", "esp-idf#3890"}
	legacy.Response.OneRead, legacy.Response.LosesAfter, legacy.Response.NoStatus = true, true, true
	legacy.Receiver.Ping = PingIsData
	legacy.Closing.Unmasked = true

	avr := arduino()
	avr.Name = "avr-arduino"
	avr.Summary = "as esp8266-arduino with a 1,024 B frame limit and a 128 B MQTT buffer"
	avr.Receiver.MaxFrame, avr.Receiver.MQTTBuffer = 1024, 128

	return []Profile{esp32(), legacy, arduino(), avr, {
		Name: "zephyr-cortex-m", Engine: Raw,
		Summary: "PUBLISH as FIN=0 binary and continuation, never pongs, an empty ping or frame closes, continuation and text dropped, Host localhost",
		Known: []string{"zephyr subsys/net/lib/websocket/websocket.c", "zephyr subsys/net/lib/mqtt/mqtt_transport_websocket.c",
			"zephyr subsys/net/lib/mqtt/mqtt_rx.c"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostLocalhost, Path: "/mqtt"},
		Response: ResponseRules{Accept: true},
		Uplink:   Uplink{Cut: Fragments},
		Receiver: Receiver{Continuation: Drop, Text: Drop, Empty: Fail, Ping: NoAnswer},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 0.75,
		Reconnect: Backoff{First: 5 * time.Second},
	}, {
		Name: "stm32-wolfmqtt", Engine: Raw,
		Summary:  "a 4,096 B accumulator for what one read brings; overflow closes",
		Known:    []string{"wolfMQTT examples/websocket/net_libwebsockets.c", "wolfMQTT#610"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostNoDefaultPort, Path: "/mqtt"},
		Response: ResponseRules{Upgrade: WholeFold, Connection: ContainsFold, Accept: true, Subprotocol: Offered},
		Receiver: Receiver{Accumulator: 4096, Text: Accept, Empty: Accept},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 0.5,
		Reconnect: Backoff{First: 5 * time.Second},
	}}
}

func phones() []Profile {
	return []Profile{{
		Name: "paho-java-android", Engine: Raw,
		Summary: "takes only binary and close frames (a ping is a lost connection), 1 s for the middle of a frame, CLOSE code 12592, status line unread",
		Known: []string{"Paho Java internal/websocket/WebSocketFrame.java:193", "internal/websocket/WebSocketHandshake.java",
			"internal/TCPNetworkModule.java:75", "paho.mqtt.java#912", "#637", "#358"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostPort, Path: "/mqtt"},
		Response: ResponseRules{LosesAfter: true, NoStatus: true, Upgrade: ContainsFold, Connection: Exists, Accept: true,
			Subprotocol: Exists, NeedsValues: true, NeedsSpace: true},
		Uplink:   Uplink{Mask: NoFFMask},
		Receiver: Receiver{Continuation: Fail, Text: Fail, Ping: PingKills, MidFrame: time.Second},
		Closing:  Closing{Payload: []byte("1000")},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 128 * time.Second},
	}, {
		Name: "hivemq-android", Engine: Raw,
		Summary:  "the subprotocol must come back in its own casing, text closes, leaves by plain TCP close and answers no CLOSE",
		Known:    []string{"hivemq-mqtt-client internal/mqtt/handler/websocket/*.java"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostNoDefaultPort, Path: "/mqtt"},
		Response: ResponseRules{Upgrade: WholeFold, Connection: ContainsFold, Accept: true, Subprotocol: Offered},
		Receiver: Receiver{MaxFrame: 268435460, Text: Fail},
		Closing:  Closing{Plain: true, NoReply: true},
		MQTT:     packet.V5, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 120 * time.Second, Jitter: 0.25},
	}, {
		Name: "flutter-dart", Engine: Raw,
		Summary:  "offers the list mqtt, mqttv3.1, mqttv3.11 in one header",
		Known:    []string{"Dart mqtt_client (device-quirks A1)"},
		Request:  Request{Subprotocols: []string{"mqtt", "mqttv3.1", "mqttv3.11"}, Host: HostNoDefaultPort, Path: "/mqtt"},
		Response: func() ResponseRules { r := lenient; r.Subprotocol = Offered; return r }(),
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: 2 * time.Second},
	}}
}

package profile

import (
	"slices"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
)

// computers are gateways, servers and whatever else runs an operating system.
func computers() []Profile { return slices.Concat(gateways(), runtimes(), extremes()) }

func gateways() []Profile {
	return []Profile{{
		Name: "paho-c-linux-arm", Engine: Raw,
		Summary:  "sends its Origin and host:port, needs the whole 101 in one read of at most 1,023 B, keepalive 45 s",
		Known:    []string{"paho.mqtt.c src/WebSocket.c:470-480", "paho.mqtt.c#770", "paho.mqtt.c#1688", "paho.mqtt.c#821"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostPort, Origin: URLOrigin, Path: "/mqtt"},
		Response: ResponseRules{Limit: 1023, OneRead: true, LosesAfter: true, Accept: true},
		Uplink:   Uplink{Mask: NoFFMask},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 45 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 60 * time.Second, Jitter: 0.2},
	}, {
		Name: "libmosquitto-gateway", Engine: Raw,
		Summary: "no Origin, no User-Agent, bytes behind the 101 are lost, a zero-length frame ruins its stream",
		Known:   []string{"mosquitto lib/http_client.c:213", "mosquitto lib/net_ws.c", "mosquitto#3704"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostOnly, Path: "/mqtt"},
		Response: ResponseRules{Limit: 4096, LosesAfter: true, Upgrade: WholeFold, Connection: WholeFold, Accept: true,
			Subprotocol: PrefixMqtt},
		Receiver: Receiver{Text: Fail, Empty: Fail},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second},
	}, {
		Name: "paho-python-rpi", Engine: Raw,
		Summary: "header spelled Sec-Websocket-Protocol, pong and CLOSE answer unmasked, leaves by plain TCP close",
		Known:   []string{"paho.mqtt.python src/paho/mqtt/client.py:4711-5010", "client.py:4968"},
		Request: Request{Subprotocols: mqttSubprotocol, Protocol: "Sec-Websocket-Protocol", Host: HostNoDefaultPort,
			Origin: URLOrigin, Path: "/mqtt"},
		Response: ResponseRules{NoStatus: true, Connection: ContainsFold, Accept: true, AcceptSpace: true},
		Receiver: Receiver{Text: Drop, Empty: Accept, Ping: AnswerUnmasked},
		Closing:  Closing{Plain: true, Unmasked: true},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 120 * time.Second},
	}, {
		Name: "autopaho-linux-arm", Engine: Autopaho,
		Summary: "the real library over coder/websocket: every field a message of its own, zero-length ones among them",
		Known:   []string{"paho.golang packets/packets.go:334-361", "paho.golang#358"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostPort, Path: "/mqtt"},
		// The checks are those of the dialling library; they stand here for the endpoint check.
		Response:  func() ResponseRules { r := lenient; r.Subprotocol = Offered; return r }(),
		Uplink:    Uplink{Cut: ByField},
		MQTT:      packet.V5,
		KeepAlive: 30 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: 10 * time.Second},
	}}
}

func runtimes() []Profile {
	return []Profile{{
		Name: "mqttjs-node", Engine: Raw,
		Summary: "every write of its encoder is a message, the first one a single byte; offers permessage-deflate; exact echo",
		Known:   []string{"MQTT.js src/lib/connect/ws.ts", "mqtt-packet writeToStream.js", "MQTT.js#1767", "ws lib/websocket.js"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostNoDefaultPort, Path: "/",
			Extensions: "permessage-deflate; client_max_window_bits"},
		Response: ResponseRules{Limit: 16 << 10, Upgrade: WholeFold, Accept: true, Subprotocol: Offered, Extensions: ExtensionsUnasked},
		Uplink:   Uplink{Cut: ByField},
		Closing:  Closing{Payload: nil},
		MQTT:     packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second},
	}, {
		Name: "aws-crt", Engine: Raw,
		Summary: "packets coalesced and split in 4 KiB frames, no extension header tolerated, presigned query of 2 KiB, keepalive 1200 s",
		Known:   []string{"aws-c-http source/websocket_bootstrap.c", "aws-c-mqtt source/client.c"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostOnly, Path: "/mqtt", QueryBytes: 2048},
		Response: ResponseRules{Upgrade: WholeFold, Connection: WholeFold, Accept: true, Subprotocol: Offered,
			Extensions: ExtensionsNeverThere},
		Uplink:   Uplink{Cut: Blocks, Chunk: 4096},
		Receiver: Receiver{Text: Drop},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 1200 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 128 * time.Second},
	}, {
		Name: "azure-iot-c", Engine: Raw,
		Summary:  "offers MQTT in capitals, Host host:443, data received together with a ping waits for more bytes",
		Known:    []string{"azure-c-shared-utility src/uws_client.c", "azure-iot-sdk-c iothubtransportmqtt_websockets.c"},
		Request:  Request{Subprotocols: []string{"MQTT"}, Host: Host443, Path: "/$iothub/websocket"},
		Response: ResponseRules{Limit: 4096},
		Receiver: Receiver{Ping: PingStalls},
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V311, KeepAlive: 240 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: time.Second, Factor: 2, Max: 60 * time.Second, Full: true},
	}, {
		Name: "dotnet-mqttnet", Engine: Raw,
		Summary:  "an unsolicited pong every 30 s",
		Known:    []string{"System.Net.WebSockets.ClientWebSocket (device-quirks A3)"},
		Request:  Request{Subprotocols: mqttSubprotocol, Host: HostNoDefaultPort, Path: "/mqtt"},
		Response: func() ResponseRules { r := lenient; r.Subprotocol = Offered; return r }(),
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V5, KeepAlive: 15 * time.Second, PingAt: 1, UnsolicitedPong: 30 * time.Second,
		Reconnect: Backoff{First: 5 * time.Second},
	}}
}

// extremes are the oldest and the worst.
func extremes() []Profile {
	return []Profile{{
		Name: "legacy-mqttv31", Engine: Raw,
		Summary:  "offers mqttv3.1 and speaks MQIsdp",
		Known:    []string{"Paho JS and MQTT.js in 3.1 mode (device-quirks A1, H2)"},
		Request:  Request{Subprotocols: []string{"mqttv3.1"}, Host: HostPort, Path: "/mqtt"},
		Response: func() ResponseRules { r := lenient; r.Subprotocol = Offered; return r }(),
		Closing:  Closing{Payload: closeOK},
		MQTT:     packet.V31, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: 10 * time.Second},
	}, {
		Name: "hostile-minimal", Engine: Raw, Hostile: true,
		Summary: "no subprotocol, unmasked data, a text frame, an oversized frame, in turn; must be refused each time",
		Known:   []string{"RFC 6455 section 5.1", "MQTT-6.0.0-1", "MQTT-6.0.0-3"},
		Request: Request{Subprotocols: mqttSubprotocol, Host: HostPort, Path: "/mqtt"},
		MQTT:    packet.V311, KeepAlive: 60 * time.Second, PingAt: 1,
		Reconnect: Backoff{First: 5 * time.Second},
	}}
}

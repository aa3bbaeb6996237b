// Package reason is the one table of why devices are refused and sessions end, and what everybody is told of it.
package reason

import (
	"log/slog"
	"net/http"
	"time"

	"mqtt-ws-bridge/mqttio"
)

// A Reason says why a device was refused or why its session ended, to everyone who asks. There is one table of them, below.
//
// The device hears it in the language that it understands at that point: the HTTP status before the upgrade, the CONNACK
// code of its MQTT version before it was accepted by the broker, a DISCONNECT after that if it speaks MQTT 5, and
// the WebSocket close code at the end. A field that is zero means that nothing is said there.
type Reason struct {
	Label      string        // in logs and metrics; stable
	Text       string        // for people: a clause, the same everywhere
	Status     int           // HTTP status before the upgrade
	RetryAfter time.Duration // with that status
	Connack3   byte          // CONNACK return code of MQTT 3.1 and 3.1.1
	Connack5   byte          // CONNACK reason code of MQTT 5
	Disconnect byte          // DISCONNECT reason code of MQTT 5
	Close      int           // WebSocket close code, RFC 6455 section 7.4.1 and IANA; 0: no close frame, the device has gone
	Level      slog.Level    // Debug: told once for many. Info: expected. Warn: somebody could act. Error: the bridge is at fault.
}

// WebSocket close codes.
const (
	closeNormal      = 1000
	closeGoingAway   = 1001
	closeProtocol    = 1002
	closeUnsupported = 1003
	closePolicy      = 1008
	closeTooBig      = 1009
	closeInternal    = 1011
	closeRestart     = 1012
	closeTryAgain    = 1013
)

// Connections that end before there is a whole request. Their labels are those of package wsio's causes, as are the next.
var (
	NoRequest = &Reason{Label: "no-request", Level: slog.LevelDebug,
		Text: "the peer connected and left without a byte of a request, as port checks do"}
	RequestIncomplete = &Reason{Label: "request-incomplete",
		Text: "the peer left before the end of its request"}
	HandshakeTimeout = &Reason{Label: "handshake-timeout", Status: http.StatusRequestTimeout,
		Text: "no complete request in time (limits.handshake-timeout)"}
	RequestTooLarge = &Reason{Label: "request-too-large", Status: http.StatusRequestHeaderFieldsTooLarge,
		Text: "the request is larger than allowed (limits.header-size)"}
	BadRequest = &Reason{Label: "bad-request", Status: http.StatusBadRequest,
		Text: "the request is not HTTP/1.1 (RFC 9112)"}
	NoWebSocket = &Reason{Label: "mqtt-without-websocket", Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeSpecific,
		Text: "this port takes MQTT over WebSocket only; use ws://, or the broker's port"}
	MQTTOnTLSPort = &Reason{Label: "mqtt-on-tls-port", Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeSpecific,
		Text: "this port takes MQTT over WebSocket with TLS only; use wss://"}
	TLSOnPlainPort = &Reason{Label: "tls-on-plain-port",
		Text: "this port speaks no TLS; connect with ws://, or have the operator listen at wss://"}
	PlainHTTP = &Reason{Label: "plain-http-on-tls-port", Status: http.StatusBadRequest,
		Text: "this port speaks TLS; connect with wss://"}
	ClientCertificate = &Reason{Label: "client-certificate",
		Text: "the client certificate is missing, or not accepted (tls.client-auth, tls.client-ca, tls.crl)"}
	TLSHandshake = &Reason{Label: "tls-handshake",
		Text: "the TLS handshake failed"}
	HandshakesFull = &Reason{Label: "handshakes-full", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Level: slog.LevelWarn,
		Text:  "too many handshakes are under way, most of them from this address (limits.handshakes)"}
)

// Refusals before the upgrade that the handshake itself causes. Their labels are those of package wsio's causes.
var (
	ProxyHeader = &Reason{Label: "proxy-header", Level: slog.LevelWarn,
		Text: "connections from this proxy must begin with a PROXY header (addresses.proxy-protocol)"}
	Path = &Reason{Label: "unknown-path", Status: http.StatusNotFound,
		Text: "no MQTT here; devices connect to /mqtt unless the operator chose another path"}
	Method = &Reason{Label: "method-not-get", Status: http.StatusMethodNotAllowed,
		Text: "a WebSocket is opened with GET"}
	HTTPVersion = &Reason{Label: "http-version", Status: http.StatusUpgradeRequired,
		Text: "a WebSocket needs HTTP/1.1; a proxy in front: proxy_http_version 1.1, and pass on Upgrade and Connection"}
	NotWebSocket = &Reason{Label: "not-websocket", Status: http.StatusUpgradeRequired,
		Text: "this is a WebSocket endpoint; a proxy in front must pass on the headers Upgrade and Connection"}
	WebSocketVersion = &Reason{Label: "websocket-version", Status: http.StatusUpgradeRequired,
		Text: "only WebSocket version 13 is spoken here"}
	WebSocketKey = &Reason{Label: "websocket-key", Status: http.StatusBadRequest,
		Text: "one Sec-WebSocket-Key of 16 bytes in base64 is needed"}
	RequestBody = &Reason{Label: "request-body", Status: http.StatusBadRequest,
		Text: "a WebSocket handshake has no body"}
	Origin = &Reason{Label: "origin", Status: http.StatusForbidden,
		Text: "pages from this origin may not connect"}
	Subprotocol = &Reason{Label: "subprotocol", Status: http.StatusBadRequest,
		Text: "offer the WebSocket subprotocol mqtt: Sec-WebSocket-Protocol: mqtt"}
)

// Refusals that depend on how the bridge stands. They are given before the upgrade where possible, otherwise in CONNACK.
var (
	Draining = &Reason{Label: "draining", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable, Close: closeRestart,
		Text: "the bridge is being replaced; try again"}
	Full = &Reason{Label: "sessions-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "the bridge holds as many sessions as it may (limits.sessions)"}
	MemoryFull = &Reason{Label: "memory-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no memory to spare (limits.memory)"}
	DescriptorsFull = &Reason{Label: "descriptors-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no file descriptor to spare (ulimit -n, LimitNOFILE)"}
	PortsFull = &Reason{Label: "ports-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no local port left towards the broker"}
	DialsFull = &Reason{Label: "dials-full", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "too many devices are connecting at once (limits.dials)"}
	BrokerDown = &Reason{Label: "broker-down", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "the broker does not answer"}
)

// Refusals of who a device is, before the upgrade; a page is told in CONNACK. None tells the device what was wrong.
var (
	Unauthorized = &Reason{Label: "unauthorized", Status: http.StatusUnauthorized,
		Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized, Close: closePolicy,
		Text: "no valid proof of identity"}
	Forbidden = &Reason{Label: "forbidden", Status: http.StatusForbidden,
		Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized, Close: closePolicy,
		Text: "this device may not connect"}
	AuthThrottled = &Reason{Label: "auth-throttled", Status: http.StatusTooManyRequests, RetryAfter: time.Minute,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeConnectRate, Close: closePolicy,
		Level: slog.LevelWarn, Text: "too many failed attempts from this address"}
	AuthBusy = &Reason{Label: "auth-busy", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy, Close: closeTryAgain,
		Level: slog.LevelWarn, Text: "too many devices are proving at once who they are"}
	AuthUnavailable = &Reason{Label: "auth-unavailable", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable, Close: closeTryAgain,
		Level: slog.LevelWarn, Text: "it cannot be found out now whether this device may connect"}
)

// Refusals because of quotas: before the upgrade where the bridge knows enough, otherwise in CONNACK.
var (
	AddressConnections = &Reason{Label: "address-connections", Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeQuotaExceeded, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this address has as many connections as it may (quotas.address.connections)"}
	AddressRate = &Reason{Label: "address-connect-rate", Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeConnectRate, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this address connects too often (quotas.address.connect-rate)"}
	IdentityConnections = &Reason{Label: "identity-connections", Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeQuotaExceeded, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this identity has as many connections as it may (quotas.identity.connections)"}
	IdentityRate = &Reason{Label: "identity-connect-rate", Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeConnectRate, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this identity connects too often (quotas.identity.connect-rate)"}
	ConnectRate = &Reason{Label: "connect-rate", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeConnectRate, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "too many devices connect at once (quotas.total.connect-rate)"}
)

// Refusals between the upgrade and CONNACK.
var (
	NotAuthorized = &Reason{Label: "not-authorized", Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized, Close: closePolicy,
		Text: "CONNECT is not what this device may send"}
	ConnectTimeout = &Reason{Label: "connect-timeout", Close: closePolicy,
		Text: "no complete CONNECT in time (limits.connect-timeout)"}
	NotConnect = &Reason{Label: "not-connect", Close: closeProtocol,
		Text: "the first packet was not CONNECT [MQTT-3.1.0-1]"}
	ConnectMalformed = &Reason{Label: "connect-malformed", Connack5: mqttio.CodeMalformed, Close: closeProtocol,
		Text: "malformed CONNECT"}
	ConnectTooLarge = &Reason{Label: "connect-too-large", Close: closeTooBig,
		Text: "CONNECT is larger than allowed (limits.connect-size)"}
	MQTTVersion = &Reason{Label: "mqtt-version", Connack3: mqttio.Connack3Version, Connack5: mqttio.CodeVersion, Close: closeProtocol,
		Text: "this version of MQTT is not spoken here; 3.1, 3.1.1 and 5 are [MQTT-3.1.2-2]"}
	ConnackTimeout = &Reason{Label: "connack-timeout", Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable, Close: closeTryAgain,
		Text: "the broker accepted the connection and did not answer CONNECT (upstream.connack-timeout)"}
	AuthTimeout = &Reason{Label: "auth-timeout",
		Connack5: mqttio.CodeUnavailable, Close: closeTryAgain,
		Text: "the exchange of AUTH packets with the broker was not over in time (upstream.connack-timeout)"}
	BrokerRefused = &Reason{Label: "broker-refused", Close: closePolicy,
		Text: "the broker refused CONNECT"}
)

// Ends of sessions that the device caused.
var (
	Disconnect = &Reason{Label: "device-disconnect", Close: closeNormal,
		Text: "the device sent DISCONNECT"}
	DeviceClosed = &Reason{Label: "device-closed", Close: closeNormal,
		Text: "the device closed without DISCONNECT"}
	DeviceLost = &Reason{Label: "device-lost",
		Text: "the connection to the device broke"}
	KeepAlive = &Reason{Label: "keepalive-timeout", Disconnect: mqttio.CodeKeepAlive, Close: closePolicy,
		Text: "silent for longer than one and a half times its keep alive [MQTT-3.1.2-22]"}
	Idle = &Reason{Label: "idle-timeout", Disconnect: mqttio.CodeKeepAlive, Close: closePolicy,
		Text: "silent for longer than keepalive.idle-timeout"}
	WriteTimeout = &Reason{Label: "write-timeout", Level: slog.LevelWarn,
		Text: "the device took no byte of what was sent to it (limits.write-timeout)"}
	Malformed = &Reason{Label: "packet-malformed", Disconnect: mqttio.CodeMalformed, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "malformed packet"}
	Protocol = &Reason{Label: "packet-protocol", Disconnect: mqttio.CodeProtocol, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "packet against the protocol"}
	PacketTooLarge = &Reason{Label: "packet-too-large", Disconnect: mqttio.CodePacketTooLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet larger than allowed (limits.packet-size)"}
	ControlPacketTooLarge = &Reason{Label: "control-packet-too-large", Disconnect: mqttio.CodePacketTooLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet other than PUBLISH, or properties of one, above 64 KiB, which is fixed"}
	BrokerPacketSize = &Reason{Label: "broker-packet-size", Disconnect: mqttio.CodePacketTooLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet larger than the broker takes when it is changed (its Maximum Packet Size)"}
	AnswerTooLarge = &Reason{Label: "answer-too-large", Disconnect: mqttio.CodePacketTooLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "answer larger than the device's Maximum Packet Size [MQTT-3.1.2-24]"}
	PublishDenied = &Reason{Label: "publish-denied", Disconnect: mqttio.CodeNotAuthorized, Close: closePolicy, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized,
		Text: "the device published what it may not"}
	PacketTimeout = &Reason{Label: "packet-timeout", Disconnect: mqttio.CodeKeepAlive, Close: closePolicy, Level: slog.LevelWarn,
		Text: "the device began a packet and did not go on with it (limits.packet-timeout)"}
	Expired = &Reason{Label: "identity-expired", Disconnect: mqttio.CodeConnectTime, Close: closePolicy,
		Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized,
		Text: "the device's proof of identity has expired"}
	Revoked = &Reason{Label: "certificate-revoked", Disconnect: mqttio.CodeNotAuthorized, Close: closePolicy, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3NotAuthorized, Connack5: mqttio.CodeNotAuthorized,
		Text: "the device's certificate has been revoked"}
	TextFrame = &Reason{Label: "text-frame", Disconnect: mqttio.CodeProtocol, Close: closeUnsupported, Level: slog.LevelWarn,
		Text: "MQTT travels in binary frames [MQTT-6.0.0-1]"}
	FrameProtocol = &Reason{Label: "frame-protocol", Disconnect: mqttio.CodeProtocol, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "frame against RFC 6455"}
	FrameTooLong = &Reason{Label: "frame-too-long", Disconnect: mqttio.CodePacketTooLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "frame too long"}
	ControlFlood = &Reason{Label: "control-flood", Disconnect: mqttio.CodeQuotaExceeded, Close: closePolicy, Level: slog.LevelWarn,
		Text: "more pings, pongs and empty frames than allowed (limits.control-frames)"}
)

// Ends of sessions that the broker or the bridge caused. MQTT 5 has no "unavailable" for DISCONNECT (table 3-10), so a lost
// broker is "unspecified error" there.
var (
	BrokerDisconnect = &Reason{Label: "broker-disconnect", Close: closeNormal,
		Text: "the broker sent DISCONNECT"}
	BrokerClosed = &Reason{Label: "broker-closed", Disconnect: mqttio.CodeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable,
		Text: "the broker closed the connection"}
	BrokerLost = &Reason{Label: "broker-lost", Disconnect: mqttio.CodeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable,
		Text: "the connection to the broker broke"}
	BrokerStalled = &Reason{Label: "broker-stalled", Disconnect: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy,
		Text: "the broker took no byte of what was sent to it (limits.write-timeout)"}
	BrokerPacketTimeout = &Reason{Label: "broker-packet-timeout", Disconnect: mqttio.CodeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable,
		Text: "the broker began a packet and did not go on with it (limits.packet-timeout)"}
	MemoryShort = &Reason{Label: "memory-short", Disconnect: mqttio.CodeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeBusy,
		Text: "other sessions waited for memory, and this one used much of it and moved little (limits.memory)"}
	BrokerMalformed = &Reason{Label: "broker-malformed", Disconnect: mqttio.CodeUnspecified, Close: closeInternal, Level: slog.LevelWarn,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable,
		Text: "the broker sent something that is not MQTT"}
	Shutdown = &Reason{Label: "shutdown", Disconnect: mqttio.CodeShuttingDown, Close: closeGoingAway,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnavailable,
		Text: "the bridge is being replaced; connect again"}
	Cut = &Reason{Label: "cut", Level: slog.LevelWarn,
		Text: "still connected when the drain ran out of time (drain.timeout)"}
	Internal = &Reason{Label: "internal-error", Disconnect: mqttio.CodeUnspecified, Close: closeInternal, Level: slog.LevelError,
		Connack3: mqttio.Connack3Unavailable, Connack5: mqttio.CodeUnspecified,
		Text: "fault in the bridge; please report it"}
)

// All returns the whole table, in the order of a device's life.
func All() []*Reason {
	return []*Reason{
		NoRequest, RequestIncomplete, HandshakeTimeout, RequestTooLarge, BadRequest,
		NoWebSocket, MQTTOnTLSPort, TLSOnPlainPort, PlainHTTP, ClientCertificate, TLSHandshake,
		HandshakesFull,
		ProxyHeader, Path, Method, HTTPVersion, NotWebSocket, WebSocketVersion, WebSocketKey,
		RequestBody, Origin, Subprotocol,
		Draining, Full, MemoryFull, DescriptorsFull, PortsFull, DialsFull, BrokerDown,
		Unauthorized, Forbidden, AuthThrottled, AuthBusy, AuthUnavailable,
		AddressConnections, AddressRate, IdentityConnections, IdentityRate, ConnectRate,
		NotAuthorized, ConnectTimeout, NotConnect, ConnectMalformed, ConnectTooLarge, MQTTVersion,
		ConnackTimeout, AuthTimeout, BrokerRefused,
		Disconnect, DeviceClosed, DeviceLost, KeepAlive, Idle, WriteTimeout,
		Malformed, Protocol, PacketTooLarge, ControlPacketTooLarge, BrokerPacketSize, AnswerTooLarge, PacketTimeout,
		PublishDenied, Expired, Revoked,
		TextFrame, FrameProtocol, FrameTooLong, ControlFlood,
		BrokerDisconnect, BrokerClosed, BrokerLost, BrokerStalled, BrokerPacketTimeout, BrokerMalformed,
		MemoryShort,
		Shutdown, Cut, Internal,
	}
}

// ByLabel finds a reason of the table; for a label that is not in it, [Internal].
func ByLabel(label string) *Reason {
	for _, r := range All() {
		if r.Label == label {
			return r
		}
	}
	return Internal
}

// String returns what the device is told: the label and the text.
func (r *Reason) String() string { return r.Label + ": " + r.Text }

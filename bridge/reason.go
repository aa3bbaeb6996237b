package bridge

import (
	"log/slog"
	"net/http"
	"time"
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

// CONNACK codes of MQTT 3.1 and 3.1.1 (section 3.2.2.3) and reason codes of MQTT 5 (section 2.4).
const (
	connack3Version     = 0x01
	connack3Unavailable = 0x03
	connack3Forbidden   = 0x05

	codeUnspecified  = 0x80
	codeMalformed    = 0x81
	codeProtocol     = 0x82
	codeSpecific     = 0x83
	codeVersion      = 0x84
	codeForbidden    = 0x87
	codeUnavailable  = 0x88
	codeBusy         = 0x89
	codeShuttingDown = 0x8B
	codeKeepAlive    = 0x8D
	codePacketLarge  = 0x95
	codeQuota        = 0x97
	codeConnectRate  = 0x9F
	codeConnectTime  = 0xA0
)

// Connections that end before there is a whole request. Their labels are those of package wsio's causes, as are the next.
var (
	ReasonNoRequest = &Reason{Label: "no-request", Level: slog.LevelDebug,
		Text: "the peer connected and left without a byte of a request, as port checks do"}
	ReasonRequestIncomplete = &Reason{Label: "request-incomplete",
		Text: "the peer left before the end of its request"}
	ReasonHandshakeTimeout = &Reason{Label: "handshake-timeout", Status: http.StatusRequestTimeout,
		Text: "no complete request in time (limits.handshake-timeout)"}
	ReasonRequestTooLarge = &Reason{Label: "request-too-large", Status: http.StatusRequestHeaderFieldsTooLarge,
		Text: "the request is larger than allowed (limits.header-size)"}
	ReasonBadRequest = &Reason{Label: "bad-request", Status: http.StatusBadRequest,
		Text: "the request is not HTTP/1.1 (RFC 9112)"}
	ReasonNoWebSocket = &Reason{Label: "mqtt-without-websocket", Connack3: connack3Unavailable, Connack5: codeSpecific,
		Text: "this port takes MQTT over WebSocket only; use ws://, or the broker's port"}
	ReasonMQTTOnTLSPort = &Reason{Label: "mqtt-on-tls-port", Connack3: connack3Unavailable, Connack5: codeSpecific,
		Text: "this port takes MQTT over WebSocket with TLS only; use wss://"}
	ReasonTLSOnPlainPort = &Reason{Label: "tls-on-plain-port",
		Text: "this port speaks no TLS; connect with ws://, or have the operator listen at wss://"}
	ReasonPlainHTTP = &Reason{Label: "plain-http-on-tls-port", Status: http.StatusBadRequest,
		Text: "this port speaks TLS; connect with wss://"}
	ReasonClientCertificate = &Reason{Label: "client-certificate",
		Text: "the client certificate is missing, or not accepted (tls.client-auth, tls.client-ca, tls.crl)"}
	ReasonTLSHandshake = &Reason{Label: "tls-handshake",
		Text: "the TLS handshake failed"}
	ReasonHandshakesFull = &Reason{Label: "handshakes-full", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Level: slog.LevelWarn,
		Text:  "too many handshakes are under way, most of them from this address (limits.handshakes)"}
)

// Refusals before the upgrade that the handshake itself causes. Their labels are those of package wsio's causes.
var (
	ReasonProxyHeader = &Reason{Label: "proxy-header", Level: slog.LevelWarn,
		Text: "connections from this proxy must begin with a PROXY header (addresses.proxy-protocol)"}
	ReasonPath = &Reason{Label: "unknown-path", Status: http.StatusNotFound,
		Text: "no MQTT here; devices connect to /mqtt unless the operator chose another path"}
	ReasonMethod = &Reason{Label: "method-not-get", Status: http.StatusMethodNotAllowed,
		Text: "a WebSocket is opened with GET"}
	ReasonHTTPVersion = &Reason{Label: "http-version", Status: http.StatusUpgradeRequired,
		Text: "a WebSocket needs HTTP/1.1; a proxy in front: proxy_http_version 1.1, and pass on Upgrade and Connection"}
	ReasonNotWebSocket = &Reason{Label: "not-websocket", Status: http.StatusUpgradeRequired,
		Text: "this is a WebSocket endpoint; a proxy in front must pass on the headers Upgrade and Connection"}
	ReasonWebSocketVersion = &Reason{Label: "websocket-version", Status: http.StatusUpgradeRequired,
		Text: "only WebSocket version 13 is spoken here"}
	ReasonWebSocketKey = &Reason{Label: "websocket-key", Status: http.StatusBadRequest,
		Text: "one Sec-WebSocket-Key of 16 bytes in base64 is needed"}
	ReasonRequestBody = &Reason{Label: "request-body", Status: http.StatusBadRequest,
		Text: "a WebSocket handshake has no body"}
	ReasonOrigin = &Reason{Label: "origin", Status: http.StatusForbidden,
		Text: "pages from this origin may not connect"}
	ReasonSubprotocol = &Reason{Label: "subprotocol", Status: http.StatusBadRequest,
		Text: "offer the WebSocket subprotocol mqtt: Sec-WebSocket-Protocol: mqtt"}
)

// Refusals that depend on how the bridge stands. They are given before the upgrade where possible, otherwise in CONNACK.
var (
	ReasonDraining = &Reason{Label: "draining", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeUnavailable, Close: closeRestart,
		Text: "the bridge is being replaced; try again"}
	ReasonFull = &Reason{Label: "sessions-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "the bridge holds as many sessions as it may (limits.sessions)"}
	ReasonMemoryFull = &Reason{Label: "memory-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no memory to spare (limits.memory)"}
	ReasonDescriptorsFull = &Reason{Label: "descriptors-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no file descriptor to spare (ulimit -n, LimitNOFILE)"}
	ReasonPortsFull = &Reason{Label: "ports-full", Status: http.StatusServiceUnavailable, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain, Level: slog.LevelDebug,
		Text: "the bridge has no local port left towards the broker"}
	ReasonDialsFull = &Reason{Label: "dials-full", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "too many devices are connecting at once (limits.dials)"}
	ReasonBrokerDown = &Reason{Label: "broker-down", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeUnavailable, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "the broker does not answer"}
)

// Refusals of who a device is, before the upgrade; a page is told in CONNACK. None tells the device what was wrong.
var (
	ReasonUnauthorized = &Reason{Label: "unauthorized", Status: http.StatusUnauthorized,
		Connack3: connack3Forbidden, Connack5: codeForbidden, Close: closePolicy,
		Text: "no valid proof of identity"}
	ReasonForbidden = &Reason{Label: "forbidden", Status: http.StatusForbidden,
		Connack3: connack3Forbidden, Connack5: codeForbidden, Close: closePolicy,
		Text: "this device may not connect"}
	ReasonAuthThrottled = &Reason{Label: "auth-throttled", Status: http.StatusTooManyRequests, RetryAfter: time.Minute,
		Connack3: connack3Unavailable, Connack5: codeConnectRate, Close: closePolicy,
		Level: slog.LevelWarn, Text: "too many failed attempts from this address"}
	ReasonAuthBusy = &Reason{Label: "auth-busy", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeBusy, Close: closeTryAgain,
		Level: slog.LevelWarn, Text: "too many devices are proving at once who they are"}
	ReasonAuthUnavailable = &Reason{Label: "auth-unavailable", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeUnavailable, Close: closeTryAgain,
		Level: slog.LevelWarn, Text: "it cannot be found out now whether this device may connect"}
)

// Refusals because of quotas: before the upgrade where the bridge knows enough, otherwise in CONNACK.
var (
	ReasonAddressConnections = &Reason{Label: "address-connections", Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeQuota, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this address has as many connections as it may (quotas.address.connections)"}
	ReasonAddressRate = &Reason{Label: "address-connect-rate", Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeConnectRate, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this address connects too often (quotas.address.connect-rate)"}
	ReasonIdentityConnections = &Reason{Label: "identity-connections", Status: http.StatusTooManyRequests, RetryAfter: 30 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeQuota, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this identity has as many connections as it may (quotas.identity.connections)"}
	ReasonIdentityRate = &Reason{Label: "identity-connect-rate", Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeConnectRate, Close: closePolicy, Level: slog.LevelWarn,
		Text: "this identity connects too often (quotas.identity.connect-rate)"}
	ReasonConnectRate = &Reason{Label: "connect-rate", Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second,
		Connack3: connack3Unavailable, Connack5: codeConnectRate, Close: closeTryAgain, Level: slog.LevelWarn,
		Text: "too many devices connect at once (quotas.total.connect-rate)"}
)

// Refusals between the upgrade and CONNACK.
var (
	ReasonNotAuthorized = &Reason{Label: "not-authorized", Connack3: connack3Forbidden, Connack5: codeForbidden, Close: closePolicy,
		Text: "CONNECT is not what this device may send"}
	ReasonConnectTimeout = &Reason{Label: "connect-timeout", Close: closePolicy,
		Text: "no complete CONNECT in time (limits.connect-timeout)"}
	ReasonNotConnect = &Reason{Label: "not-connect", Close: closeProtocol,
		Text: "the first packet was not CONNECT [MQTT-3.1.0-1]"}
	ReasonConnectMalformed = &Reason{Label: "connect-malformed", Connack5: codeMalformed, Close: closeProtocol,
		Text: "malformed CONNECT"}
	ReasonConnectTooLarge = &Reason{Label: "connect-too-large", Close: closeTooBig,
		Text: "CONNECT is larger than allowed (limits.connect-size)"}
	ReasonMQTTVersion = &Reason{Label: "mqtt-version", Connack3: connack3Version, Connack5: codeVersion, Close: closeProtocol,
		Text: "this version of MQTT is not spoken here; 3.1, 3.1.1 and 5 are [MQTT-3.1.2-2]"}
	ReasonConnackTimeout = &Reason{Label: "connack-timeout", Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeUnavailable, Close: closeTryAgain,
		Text: "the broker accepted the connection and did not answer CONNECT (upstream.connack-timeout)"}
	ReasonAuthTimeout = &Reason{Label: "auth-timeout",
		Connack5: codeUnavailable, Close: closeTryAgain,
		Text: "the exchange of AUTH packets with the broker was not over in time (upstream.connack-timeout)"}
	ReasonBrokerRefused = &Reason{Label: "broker-refused", Close: closePolicy,
		Text: "the broker refused CONNECT"}
)

// Ends of sessions that the device caused.
var (
	ReasonDisconnect = &Reason{Label: "device-disconnect", Close: closeNormal,
		Text: "the device sent DISCONNECT"}
	ReasonDeviceClosed = &Reason{Label: "device-closed", Close: closeNormal,
		Text: "the device closed without DISCONNECT"}
	ReasonDeviceLost = &Reason{Label: "device-lost",
		Text: "the connection to the device broke"}
	ReasonKeepAlive = &Reason{Label: "keepalive-timeout", Disconnect: codeKeepAlive, Close: closePolicy,
		Text: "silent for longer than one and a half times its keep alive [MQTT-3.1.2-22]"}
	ReasonIdle = &Reason{Label: "idle-timeout", Disconnect: codeKeepAlive, Close: closePolicy,
		Text: "silent for longer than keepalive.idle-timeout"}
	ReasonWriteTimeout = &Reason{Label: "write-timeout", Level: slog.LevelWarn,
		Text: "the device took no byte of what was sent to it (limits.write-timeout)"}
	ReasonMalformed = &Reason{Label: "packet-malformed", Disconnect: codeMalformed, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "malformed packet"}
	ReasonProtocol = &Reason{Label: "packet-protocol", Disconnect: codeProtocol, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "packet against the protocol"}
	ReasonPacketTooLarge = &Reason{Label: "packet-too-large", Disconnect: codePacketLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet larger than allowed (limits.packet-size)"}
	ReasonControlPacketTooLarge = &Reason{Label: "control-packet-too-large", Disconnect: codePacketLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet other than PUBLISH, or properties of one, above 64 KiB, which is fixed"}
	ReasonBrokerPacketSize = &Reason{Label: "broker-packet-size", Disconnect: codePacketLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "packet larger than the broker takes when it is changed (its Maximum Packet Size)"}
	ReasonAnswerTooLarge = &Reason{Label: "answer-too-large", Disconnect: codePacketLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "answer larger than the device's Maximum Packet Size [MQTT-3.1.2-24]"}
	ReasonPublishDenied = &Reason{Label: "publish-denied", Disconnect: codeForbidden, Close: closePolicy, Level: slog.LevelWarn,
		Connack3: connack3Forbidden, Connack5: codeForbidden,
		Text: "the device published what it may not"}
	ReasonPacketTimeout = &Reason{Label: "packet-timeout", Disconnect: codeKeepAlive, Close: closePolicy, Level: slog.LevelWarn,
		Text: "the device began a packet and did not go on with it (limits.packet-timeout)"}
	ReasonExpired = &Reason{Label: "identity-expired", Disconnect: codeConnectTime, Close: closePolicy,
		Connack3: connack3Forbidden, Connack5: codeForbidden,
		Text: "the device's proof of identity has expired"}
	ReasonRevoked = &Reason{Label: "certificate-revoked", Disconnect: codeForbidden, Close: closePolicy, Level: slog.LevelWarn,
		Connack3: connack3Forbidden, Connack5: codeForbidden,
		Text: "the device's certificate has been revoked"}
	ReasonTextFrame = &Reason{Label: "text-frame", Disconnect: codeProtocol, Close: closeUnsupported, Level: slog.LevelWarn,
		Text: "MQTT travels in binary frames [MQTT-6.0.0-1]"}
	ReasonFrameProtocol = &Reason{Label: "frame-protocol", Disconnect: codeProtocol, Close: closeProtocol, Level: slog.LevelWarn,
		Text: "frame against RFC 6455"}
	ReasonFrameTooLong = &Reason{Label: "frame-too-long", Disconnect: codePacketLarge, Close: closeTooBig, Level: slog.LevelWarn,
		Text: "frame too long"}
	ReasonControlFlood = &Reason{Label: "control-flood", Disconnect: codeQuota, Close: closePolicy, Level: slog.LevelWarn,
		Text: "more pings, pongs and empty frames than allowed (limits.control-frames)"}
)

// Ends of sessions that the broker or the bridge caused. MQTT 5 has no "unavailable" for DISCONNECT (table 3-10), so a lost
// broker is "unspecified error" there.
var (
	ReasonBrokerDisconnect = &Reason{Label: "broker-disconnect", Close: closeNormal,
		Text: "the broker sent DISCONNECT"}
	ReasonBrokerClosed = &Reason{Label: "broker-closed", Disconnect: codeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeUnavailable,
		Text: "the broker closed the connection"}
	ReasonBrokerLost = &Reason{Label: "broker-lost", Disconnect: codeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeUnavailable,
		Text: "the connection to the broker broke"}
	ReasonBrokerStalled = &Reason{Label: "broker-stalled", Disconnect: codeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeBusy,
		Text: "the broker took no byte of what was sent to it (limits.write-timeout)"}
	ReasonBrokerPacketTimeout = &Reason{Label: "broker-packet-timeout", Disconnect: codeUnspecified, Close: closeRestart, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeUnavailable,
		Text: "the broker began a packet and did not go on with it (limits.packet-timeout)"}
	ReasonMemoryShort = &Reason{Label: "memory-short", Disconnect: codeBusy, Close: closeTryAgain, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeBusy,
		Text: "memory is short, and this session held more of it for longer than others (limits.memory)"}
	ReasonBrokerMalformed = &Reason{Label: "broker-malformed", Disconnect: codeUnspecified, Close: closeInternal, Level: slog.LevelWarn,
		Connack3: connack3Unavailable, Connack5: codeUnavailable,
		Text: "the broker sent something that is not MQTT"}
	ReasonShutdown = &Reason{Label: "shutdown", Disconnect: codeShuttingDown, Close: closeGoingAway,
		Connack3: connack3Unavailable, Connack5: codeUnavailable,
		Text: "the bridge is being replaced; connect again"}
	ReasonCut = &Reason{Label: "cut", Level: slog.LevelWarn,
		Text: "still connected when the drain ran out of time (drain.timeout)"}
	ReasonInternal = &Reason{Label: "internal-error", Disconnect: codeUnspecified, Close: closeInternal, Level: slog.LevelError,
		Connack3: connack3Unavailable, Connack5: codeUnspecified,
		Text: "fault in the bridge; please report it"}
)

// Reasons returns the whole table, in the order of a device's life.
func Reasons() []*Reason {
	return []*Reason{
		ReasonNoRequest, ReasonRequestIncomplete, ReasonHandshakeTimeout, ReasonRequestTooLarge, ReasonBadRequest,
		ReasonNoWebSocket, ReasonMQTTOnTLSPort, ReasonTLSOnPlainPort, ReasonPlainHTTP, ReasonClientCertificate, ReasonTLSHandshake,
		ReasonHandshakesFull,
		ReasonProxyHeader, ReasonPath, ReasonMethod, ReasonHTTPVersion, ReasonNotWebSocket, ReasonWebSocketVersion, ReasonWebSocketKey,
		ReasonRequestBody, ReasonOrigin, ReasonSubprotocol,
		ReasonDraining, ReasonFull, ReasonMemoryFull, ReasonDescriptorsFull, ReasonPortsFull, ReasonDialsFull, ReasonBrokerDown,
		ReasonUnauthorized, ReasonForbidden, ReasonAuthThrottled, ReasonAuthBusy, ReasonAuthUnavailable,
		ReasonAddressConnections, ReasonAddressRate, ReasonIdentityConnections, ReasonIdentityRate, ReasonConnectRate,
		ReasonNotAuthorized, ReasonConnectTimeout, ReasonNotConnect, ReasonConnectMalformed, ReasonConnectTooLarge, ReasonMQTTVersion,
		ReasonConnackTimeout, ReasonAuthTimeout, ReasonBrokerRefused,
		ReasonDisconnect, ReasonDeviceClosed, ReasonDeviceLost, ReasonKeepAlive, ReasonIdle, ReasonWriteTimeout,
		ReasonMalformed, ReasonProtocol, ReasonPacketTooLarge, ReasonControlPacketTooLarge, ReasonBrokerPacketSize, ReasonAnswerTooLarge, ReasonPacketTimeout,
		ReasonPublishDenied, ReasonExpired, ReasonRevoked,
		ReasonTextFrame, ReasonFrameProtocol, ReasonFrameTooLong, ReasonControlFlood,
		ReasonBrokerDisconnect, ReasonBrokerClosed, ReasonBrokerLost, ReasonBrokerStalled, ReasonBrokerPacketTimeout, ReasonBrokerMalformed,
		ReasonMemoryShort,
		ReasonShutdown, ReasonCut, ReasonInternal,
	}
}

// ReasonByLabel finds a reason of the table; for a label that is not in it, [ReasonInternal].
func ReasonByLabel(label string) *Reason {
	for _, r := range Reasons() {
		if r.Label == label {
			return r
		}
	}
	return ReasonInternal
}

// String returns what the device is told: the label and the text.
func (r *Reason) String() string { return r.Label + ": " + r.Text }

package wsio

// A Cause names the rule that a device broke. Its text is a stable label: it appears in logs and metrics, and the
// bridge's table of reasons has a row for each.
type Cause string

// Causes for which a handshake is refused.
const (
	CausePath             Cause = "unknown-path"
	CauseMethod           Cause = "method-not-get"
	CauseHTTPVersion      Cause = "http-version"
	CauseNotWebSocket     Cause = "not-websocket"
	CauseWebSocketVersion Cause = "websocket-version"
	CauseWebSocketKey     Cause = "websocket-key"
	CauseRequestBody      Cause = "request-body"
	CauseOrigin           Cause = "origin"
	CauseSubprotocol      Cause = "subprotocol"
)

// Causes for which a connection ends before there is a whole request. See [ListenerOptions].
const (
	CauseProxyHeader        Cause = "proxy-header"           // it has to begin with a PROXY header, and with a good one
	CauseNoRequest          Cause = "no-request"             // the peer left without a byte of a request
	CauseRequestIncomplete  Cause = "request-incomplete"     // the peer left before the end of its request
	CauseHandshakeTimeout   Cause = "handshake-timeout"      // Limits.HandshakeTimeout
	CauseRequestTooLarge    Cause = "request-too-large"      // Limits.HeaderSize
	CauseBadRequest         Cause = "bad-request"            // it is no HTTP/1.1
	CauseNoWebSocket        Cause = "mqtt-without-websocket" // MQTT where HTTP should be
	CauseTLSOnPlainPort     Cause = "tls-on-plain-port"
	CausePlainHTTP          Cause = "plain-http-on-tls-port"
	CauseMQTTOnTLSPort      Cause = "mqtt-on-tls-port" // without TLS
	CauseClientCertificate  Cause = "client-certificate"
	CauseTLSHandshake       Cause = "tls-handshake"
	CauseHandshakesFull     Cause = "handshakes-full"     // GateOptions.Handshakes
	CauseAddressConnections Cause = "address-connections" // GateOptions.PerAddress
	CauseInternal           Cause = "internal-error"      // a fault in the handler
	CauseDeviceLost         Cause = "device-lost"         // the device left before it could be told that it is let in
)

// Causes for which an open WebSocket is closed.
const (
	CauseTextFrame     Cause = "text-frame"     // [MQTT-6.0.0-1]
	CauseFrameProtocol Cause = "frame-protocol" // RFC 6455 sections 5.1 to 5.5
	CauseFrameTooLong  Cause = "frame-too-long" // RFC 6455 section 10.4
	CauseControlFlood  Cause = "control-flood"  // Options.ControlRate
)

// HandshakeCauses lists every cause for which a handshake is refused by this package.
func HandshakeCauses() []Cause {
	return []Cause{
		CausePath, CauseMethod, CauseHTTPVersion, CauseNotWebSocket, CauseWebSocketVersion,
		CauseWebSocketKey, CauseRequestBody, CauseOrigin, CauseSubprotocol,
	}
}

// ConnectionCauses lists every cause that [ListenerOptions.Refused] can hear, and [Options.Refused] beside [HandshakeCauses].
func ConnectionCauses() []Cause {
	return []Cause{
		CauseProxyHeader, CauseNoRequest, CauseRequestIncomplete, CauseHandshakeTimeout, CauseRequestTooLarge, CauseBadRequest,
		CauseNoWebSocket, CauseTLSOnPlainPort, CausePlainHTTP, CauseMQTTOnTLSPort, CauseClientCertificate, CauseTLSHandshake,
		CauseHandshakesFull, CauseAddressConnections, CauseInternal, CauseDeviceLost,
	}
}

// StreamCauses lists every cause that an [Error] from [Conn.Read] can carry.
func StreamCauses() []Cause {
	return []Cause{CauseTextFrame, CauseFrameProtocol, CauseFrameTooLong, CauseControlFlood}
}

// Error is a breach of RFC 6455 or of MQTT section 6 found while reading frames. The values are shared: compare by
// pointer or look at the Cause.
type Error struct {
	Cause Cause
	Text  string // what was wrong, and the section that forbids it
}

// Error returns the text.
func (e *Error) Error() string { return "websocket: " + e.Text }

// Label returns the cause as a plain string, for those who do not import this package.
func (e *Error) Label() string { return string(e.Cause) }

var (
	errText         = &Error{CauseTextFrame, "text frame; MQTT packets travel in binary frames [MQTT-6.0.0-1]"}
	errUnmasked     = &Error{CauseFrameProtocol, "unmasked frame from the device (RFC 6455 section 5.1)"}
	errReservedBits = &Error{CauseFrameProtocol, "reserved bit set, no extension was negotiated (RFC 6455 section 5.2)"}
	errOpcode       = &Error{CauseFrameProtocol, "reserved opcode (RFC 6455 section 5.2)"}
	errContinuation = &Error{CauseFrameProtocol, "continuation frame outside a message (RFC 6455 section 5.4)"}
	errInterleaved  = &Error{CauseFrameProtocol, "new message inside an unfinished one (RFC 6455 section 5.4)"}
	errControlFrame = &Error{CauseFrameProtocol, "control frame fragmented or above 125 bytes (RFC 6455 section 5.5)"}
	errLengthSign   = &Error{CauseFrameProtocol, "frame length with the top bit set (RFC 6455 section 5.2)"}
	errFrameTooLong = &Error{CauseFrameTooLong, "frame above 512 MiB (RFC 6455 section 10.4)"}
	errControlFlood = &Error{CauseControlFlood, "more pings, pongs and empty frames than allowed"}
)

package refusal

// A Cause names the rule that a device broke. Its text is a stable label: it appears in logs and metrics, and the
// bridge's table of reasons has a row for each.
type Cause string

// Refusal is why a device is refused: a [Cause], or what the bridge said when it was asked, as it came. It can be compared with ==.
type Refusal any

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

// Causes for which a connection ends before there is a whole request.
const (
	CauseProxyHeader        Cause = "proxy-header"           // it has to begin with a PROXY header, and with a good one
	CauseNoRequest          Cause = "no-request"             // the peer left without a byte of a request
	CauseRequestIncomplete  Cause = "request-incomplete"     // the peer left before the end of its request
	CauseHandshakeTimeout   Cause = "handshake-timeout"      // the time for a handshake is over
	CauseRequestTooLarge    Cause = "request-too-large"      // above the size of a request
	CauseBadRequest         Cause = "bad-request"            // it is no HTTP/1.1
	CauseNoWebSocket        Cause = "mqtt-without-websocket" // MQTT where HTTP should be
	CauseTLSOnPlainPort     Cause = "tls-on-plain-port"
	CausePlainHTTP          Cause = "plain-http-on-tls-port"
	CauseMQTTOnTLSPort      Cause = "mqtt-on-tls-port" // without TLS
	CauseClientCertificate  Cause = "client-certificate"
	CauseTLSHandshake       Cause = "tls-handshake"
	CauseHandshakesFull     Cause = "handshakes-full"     // the gate is full
	CauseAddressConnections Cause = "address-connections" // the address has too many
	CauseInternal           Cause = "internal-error"      // a fault in the handler
	CauseDeviceLost         Cause = "device-lost"         // the device left before it could be told that it is let in
)

// Causes for which an open WebSocket is closed.
const (
	CauseTextFrame     Cause = "text-frame"     // [MQTT-6.0.0-1]
	CauseFrameProtocol Cause = "frame-protocol" // RFC 6455 sections 5.1 to 5.5
	CauseFrameTooLong  Cause = "frame-too-long" // RFC 6455 section 10.4
	CauseControlFlood  Cause = "control-flood"  // above the rate of control frames
)

// HandshakeCauses lists every cause for which a handshake is refused.
func HandshakeCauses() []Cause {
	return []Cause{
		CausePath, CauseMethod, CauseHTTPVersion, CauseNotWebSocket, CauseWebSocketVersion,
		CauseWebSocketKey, CauseRequestBody, CauseOrigin, CauseSubprotocol,
	}
}

// ConnectionCauses lists every cause for which a listener ends a connection, and a handshake beside [HandshakeCauses].
func ConnectionCauses() []Cause {
	return []Cause{
		CauseProxyHeader, CauseNoRequest, CauseRequestIncomplete, CauseHandshakeTimeout, CauseRequestTooLarge, CauseBadRequest,
		CauseNoWebSocket, CauseTLSOnPlainPort, CausePlainHTTP, CauseMQTTOnTLSPort, CauseClientCertificate, CauseTLSHandshake,
		CauseHandshakesFull, CauseAddressConnections, CauseInternal, CauseDeviceLost,
	}
}

// StreamCauses lists every cause for which an open WebSocket is closed.
func StreamCauses() []Cause {
	return []Cause{CauseTextFrame, CauseFrameProtocol, CauseFrameTooLong, CauseControlFlood}
}

package frame

import (
	"mqtt-ws-bridge/wsio/refusal"
)

// Error is a breach of RFC 6455 or of MQTT section 6 found while reading frames. The values are shared: compare by
// pointer or look at the Cause.
type Error struct {
	Cause refusal.Cause
	Text  string // what was wrong, and the section that forbids it
}

// Error returns the text.
func (e *Error) Error() string { return "websocket: " + e.Text }

// Label returns the cause as a plain string, for those who do not import this package.
func (e *Error) Label() string { return string(e.Cause) }

var (
	errText         = &Error{refusal.CauseTextFrame, "text frame; MQTT packets travel in binary frames [MQTT-6.0.0-1]"}
	errUnmasked     = &Error{refusal.CauseFrameProtocol, "unmasked frame from the device (RFC 6455 section 5.1)"}
	errReservedBits = &Error{refusal.CauseFrameProtocol, "reserved bit set, no extension was negotiated (RFC 6455 section 5.2)"}
	errOpcode       = &Error{refusal.CauseFrameProtocol, "reserved opcode (RFC 6455 section 5.2)"}
	errContinuation = &Error{refusal.CauseFrameProtocol, "continuation frame outside a message (RFC 6455 section 5.4)"}
	errInterleaved  = &Error{refusal.CauseFrameProtocol, "new message inside an unfinished one (RFC 6455 section 5.4)"}
	errControlFrame = &Error{refusal.CauseFrameProtocol, "control frame fragmented or above 125 bytes (RFC 6455 section 5.5)"}
	errLengthSign   = &Error{refusal.CauseFrameProtocol, "frame length with the top bit set (RFC 6455 section 5.2)"}
	errFrameTooLong = &Error{refusal.CauseFrameTooLong, "frame above 512 MiB (RFC 6455 section 10.4)"}
	errControlFlood = &Error{refusal.CauseControlFlood, "more pings, pongs and empty frames than allowed"}
)

package frame

import (
	"errors"
	"fmt"

	"mqtt-ws-bridge/wsio/refusal"
)

// Error is a breach of RFC 6455 or of MQTT section 6 found while reading frames. Look at the Cause; the values are shared, except
// those about a connection's first frame, which name its first bytes.
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

// firstConnect is the first byte of an MQTT CONNECT [MQTT-2.1.3-1]. No frame begins with it: RSV3 is set.
const firstConnect = 0x10

// ofFirstFrame adds to err, which the first frame of a connection caused, the two bytes of the header that every frame has. They
// tell what the device sent instead of a frame, and hold no payload and no mask.
func ofFirstFrame(err error, b0, b1 byte) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Cause != refusal.CauseFrameProtocol && e.Cause != refusal.CauseFrameTooLong {
		return err
	}
	text := fmt.Sprintf("first frame begins %02x %02x: %s", b0, b1, e.Text)
	if b0 == firstConnect {
		text = fmt.Sprintf("first bytes %02x %02x are those of an MQTT CONNECT: the device sent MQTT without a WebSocket frame (RFC 6455 section 5.2)", b0, b1)
	}
	return &Error{e.Cause, text}
}

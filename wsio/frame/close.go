package frame

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Close codes, RFC 6455 section 7.4.1 and the IANA registry of WebSocket close codes.
const (
	CloseNormal          = 1000
	CloseGoingAway       = 1001
	CloseProtocolError   = 1002
	CloseUnsupportedData = 1003
	closeNoStatus        = 1005 // never on the wire: the close frame was empty
	closeAbnormal        = 1006 // never on the wire: there was no close frame
)

// closeCode reads the payload of the device's close frame: the code it gave and the one to answer with.
//
// A code outside the registry is taken as a normal close: Paho Java sends the text "1000", which is code 12592
// (device-quirks U6). A payload of one byte or a reason that is not UTF-8 is answered with 1002 and never echoed.
func closeCode(payload []byte) (got, answer int) {
	if len(payload) == 0 {
		return closeNoStatus, 0
	}
	if len(payload) == 1 {
		return closeNoStatus, CloseProtocolError
	}
	got = int(binary.BigEndian.Uint16(payload))
	switch {
	case !utf8.Valid(payload[2:]):
		return got, CloseProtocolError
	case !mayBeSent(got):
		return got, CloseNormal
	}
	return got, got
}

// mayBeSent reports whether a close frame may carry the code (RFC 6455 section 7.4).
func mayBeSent(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// appendClose appends a close frame. A code of 0 makes it empty; text is cut to what a control frame holds.
func appendClose(dst []byte, code int, text string) []byte {
	if code == 0 {
		return append(dst, bitFIN|byte(opClose), 0)
	}
	text = strings.ToValidUTF8(text, "?") // RFC 6455 section 5.5.1; it may quote what a broker said
	for len(text) > maxControl-2 {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	dst = append(dst, bitFIN|byte(opClose), byte(2+len(text)))
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, text...)
}

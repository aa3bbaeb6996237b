package frame_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/refusal"
)

// How a stream ended, as far as both sides can say.
const (
	endEOF    = "eof"    // without a close frame
	endClose  = "close"  // with one, of whatever code
	endText   = "text"   // a text message
	endBroken = "broken" // against RFC 6455
)

// reading is what one side made of a wire.
type reading struct {
	stream   []byte
	end      string
	err      error
	code     int    // of the close frame, where both accept it
	lastPong string // the last one sent; "-" if none was
}

// FuzzDecodeAgainstLibrary compares with github.com/coder/websocket on the same bytes. wire comes after the frames that
// program spells, three bytes each, so that the fuzzer needs not invent lengths and masks.
//
// Where the two may differ, on purpose:
//   - unmasked pong and close frames: tolerated here (device-quirks U3), the end there;
//   - text: refused here by its header, a message there;
//   - the code of a close frame that must not be sent: kept here (U6), an error there;
//   - frames above 512 MiB: refused here by their header, read there;
//   - a header that is both broken and cut: each may see it before the last byte of it is there;
//   - the bytes with which the library's reader returns an error are still masked: it is read byte by byte.
func FuzzDecodeAgainstLibrary(f *testing.F) {
	for _, wire := range seeds() {
		f.Add(wire, []byte(nil))
	}
	f.Add([]byte(nil), []byte{0x82, 5, 0, 0x89, 3, 0, 0x02, 4, 1, 0x80, 0, 2, 0x8A, 1, 4, 0x88, 2, 0})
	f.Fuzz(func(t *testing.T, wire, program []byte) {
		wire = append(spell(program), wire...)
		ours, theirs := readOurs(t, wire), readLibrary(t, wire)
		if (ours.end == endBroken) != (theirs.end == endBroken) && (ours.end == endEOF || theirs.end == endEOF) {
			wire = append(wire, make([]byte, 14)...) // now every header is whole
			ours, theirs = readOurs(t, wire), readLibrary(t, wire)
		}
		compare(t, ours, theirs, firstUnmasked(wire))
	})
}

func compare(t *testing.T, ours, theirs reading, unmasked byte) {
	t.Helper()
	switch {
	case theirs.err != nil && strings.Contains(theirs.err.Error(), "unmasked") && (unmasked == wsframes.Pong || unmasked == wsframes.Close),
		causeIs(ours.err, refusal.CauseFrameTooLong):
		shorter := min(len(ours.stream), len(theirs.stream))
		if !bytes.Equal(ours.stream[:shorter], theirs.stream[:shorter]) {
			t.Errorf("streams begin differently: % x, the library's % x", ours.stream, theirs.stream)
		}
		return
	case !bytes.Equal(ours.stream, theirs.stream):
		t.Errorf("stream % x, the library's % x", ours.stream, theirs.stream)
	case ours.end == endText && theirs.end == endBroken:
		// Text inside an unfinished message, or with reserved bits or without a mask: broken in more than one way.
	case ours.end != theirs.end:
		t.Errorf("ended with %s (%v), the library with %s (%v)", ours.end, ours.err, theirs.end, theirs.err)
	case ours.end == endClose && theirs.code != -1 && ours.code != theirs.code:
		t.Errorf("close code %d, the library's %d", ours.code, theirs.code)
	case ours.lastPong != theirs.lastPong:
		t.Errorf("last pong %q, the library's %q", ours.lastPong, theirs.lastPong)
	}
}

func causeIs(err error, cause refusal.Cause) bool {
	var e *frame.Error
	return errors.As(err, &e) && e.Cause == cause
}

// firstUnmasked returns the opcode of the first frame without a mask, or 0xFF.
func firstUnmasked(wire []byte) byte {
	for len(wire) >= 2 {
		size, n := 2, uint64(wire[1]&0x7F)
		switch {
		case wire[1]&0x80 == 0:
			return wire[0] & 0x0F
		case n == 126 && len(wire) >= 4:
			size, n = 4, uint64(binary.BigEndian.Uint16(wire[2:]))
		case n == 127 && len(wire) >= 10:
			size, n = 10, binary.BigEndian.Uint64(wire[2:])
		}
		if rest := uint64(len(wire)); n >= rest || uint64(size)+4+n > rest {
			break
		}
		wire = wire[size+4+int(n):]
	}
	return 0xFF
}

// spell turns three bytes each into a frame: its first byte, the size of its payload, and how the length is written.
func spell(program []byte) (wire []byte) {
	for ; len(program) >= 3; program = program[3:] {
		first, size, style := program[0], int(program[1]), program[2]
		payload := strings.Repeat("\x03\xe8ab", 64)[:min(size, 256)]
		switch {
		case style&7 == 4:
			wire = append(wire, wsframes.Unmasked(first, payload)...)
		case style&7 == 5:
			wire = append(append(wire, wsframes.Claiming(first, uint64(size))...), wsframes.XOR(payload, wsframes.Key)...)
		default:
			wire = append(wire, wsframes.MaskedWith(first, payload, [4]byte{style, 1, 0, 0xFF})...)
		}
	}
	return wire
}

func readOurs(t *testing.T, wire []byte) (r reading) {
	nc := script(wire)
	conn := frame.NewConn(nc, nil, 1<<16)
	r.stream, r.err = readStream(conn, len(wire)+1) // all at once, so that the last ping is answered
	r.code = conn.PeerClose()
	switch {
	case r.err == io.EOF && r.code == 1006 && !bytes.Contains(lastSent(t, nc).opcodes, []byte{wsframes.Close}):
		r.end = endEOF
	case r.err == io.EOF:
		r.end = endClose
	case causeIs(r.err, refusal.CauseTextFrame):
		r.end = endText
	default:
		r.end = endBroken
	}
	r.lastPong = lastSent(t, nc).pong
	return r
}

type sent struct {
	opcodes []byte
	pong    string
}

// lastSent looks through the frames that a side sent.
func lastSent(t *testing.T, nc *scriptConn) (s sent) {
	s.pong = "-"
	for _, f := range wsframes.MustParse(t, nc.sent()) {
		s.opcodes = append(s.opcodes, f.Op)
		if f.Op == wsframes.Pong {
			s.pong = f.Payload
		}
	}
	return s
}

func readLibrary(t *testing.T, wire []byte) (r reading) {
	nc := script(slices.Clone(wire))
	conn := libraryConn(t, nc)
	defer conn.CloseNow() //nolint:errcheck // there is nothing to close
	conn.SetReadLimit(-1)
	for r.end == "" {
		kind, message, err := conn.Reader(context.Background())
		if err == nil && kind == websocket.MessageText {
			r.end = endText
			break
		}
		if err == nil {
			var part []byte
			part, err = io.ReadAll(iotest.OneByteReader(message))
			r.stream = append(r.stream, part...)
		}
		if err != nil {
			r.err, r.end, r.code = err, libraryEnd(err), int(websocket.CloseStatus(err))
		}
	}
	r.lastPong = lastSent(t, nc).pong
	return r
}

func libraryEnd(err error) string {
	said := err.Error()
	switch {
	case websocket.CloseStatus(err) != -1, strings.Contains(said, "received invalid close payload"):
		return endClose
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(said, "not read to completion"):
		return endEOF // its message reader returns io.EOF also for a connection that ended inside a message
	}
	return endBroken
}

// libraryConn is the library's end of a connection whose handshake is done.
func libraryConn(t testing.TB, nc net.Conn) *websocket.Conn {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		r.Header.Set(name, value)
	}
	conn, err := websocket.Accept(hijackable{httptest.NewRecorder(), nc}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

type hijackable struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

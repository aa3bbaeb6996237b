package frame

import (
	"encoding/binary"

	"golang.org/x/time/rate"
)

// decoder turns the bytes of a device's frames into the bytes of its stream, in place. It holds what lies between two
// calls: where in a frame it stands, a header or a control payload that was cut, a ping to answer, the peer's close.
// The zero value is ready. Not for concurrent use.
type decoder struct {
	left      uint64 // payload bytes of the current frame still to come
	mask      uint32 // for the next of them
	op        opcode // of the current frame
	inMessage bool   // a data frame without FIN came, its continuation has to follow
	begun     bool   // a frame began that is allowed

	partial    [maxHeader]byte // a header that was cut
	partialLen int8

	control *controlPayload // of the control frame under way; nil while there was none

	controlRate int           // how many frames without a byte of the stream may come in a second; 0: any
	controls    *rate.Limiter // of those; nil while there was none
	spare       uint8         // empty data frames that are not counted

	pinged bool // control.ping holds a ping that was not answered yet
	closed bool // a close frame came; nothing after it counts
}

// controlPayload exists once a device has sent a control frame; most never do.
type controlPayload struct {
	buf   [maxControl]byte
	len   int
	ping  [maxControl]byte // the latest ping; only that one needs an answer (RFC 6455 section 5.5.3)
	pingN int
}

// decode replaces the frames in b by the stream bytes they carry and returns how many there are, at the front of b. An
// error comes with the bytes before it.
func (d *decoder) decode(b []byte) (n int, err error) {
	r := 0
	for r < len(b) && !d.closed {
		if d.left == 0 {
			if start, end := d.common(b[r:]); end > 0 {
				k := end - start
				unmask(b[n:n+k], b[r+start:r+end], d.mask)
				n += k
				r += end
				continue
			}
			size, err := d.header(b[r:])
			if err != nil {
				return n, err
			}
			r += size
			continue
		}
		k := len(b) - r
		if uint64(k) > d.left {
			k = int(d.left)
		}
		if d.op.control() {
			d.mask = unmask(d.control.buf[d.control.len:d.control.len+k], b[r:r+k], d.mask)
			d.control.len += k
		} else {
			d.mask = unmask(b[n:n+k], b[r:r+k], d.mask)
			n += k
		}
		r += k
		if d.left -= uint64(k); d.left == 0 && d.op.control() {
			d.endControl()
		}
	}
	return n, nil
}

// common finds the payload of the frame that devices send most: the whole of a message (FIN, binary), not empty, with a mask and a length of
// one or two bytes, all of which is in b. It proves at a glance what header and check prove, and sets d.mask. end is 0 for all others, of
// which header has to say what they are.
func (d *decoder) common(b []byte) (start, end int) {
	if len(b) < 2+4 || b[0] != bitFIN|byte(opBinary) || d.inMessage || d.partialLen > 0 {
		return 0, 0
	}
	start, end = 2+4, int(b[1]&bitsLength)
	switch {
	case b[1] <= bitMASK || end == lengthIs64: // no mask, nothing, or eight bytes of length
		return 0, 0
	case end == lengthIs16:
		if start += 2; len(b) < start {
			return 0, 0
		}
		if end = int(binary.BigEndian.Uint16(b[2:])); end == 0 {
			return 0, 0
		}
	}
	if end += start; end > len(b) {
		return 0, 0
	}
	d.mask = binary.LittleEndian.Uint32(b[start-4:])
	d.spare = emptyPieces
	d.begun = true
	return start, end
}

// header reads a frame header from b, or as much of it as there is, and returns how many bytes of b it took.
func (d *decoder) header(b []byte) (taken int, err error) {
	if d.partialLen > 0 {
		return d.cutHeader(b)
	}
	h, size, err := parseHeader(b)
	if err != nil {
		return 0, d.explain(err, b)
	}
	if size == 0 {
		d.partialLen = int8(copy(d.partial[:], b))
		return len(b), nil
	}
	return size, d.explain(d.begin(h), b)
}

// explain adds to an error about a header what its first two bytes are, if it is the connection's first.
func (d *decoder) explain(err error, header []byte) error {
	if err == nil || d.begun {
		return err
	}
	return ofFirstFrame(err, header[0], header[1])
}

// cutHeader goes on with a header whose first bytes came with an earlier read.
func (d *decoder) cutHeader(b []byte) (taken int, err error) {
	had := int(d.partialLen)
	n := had + copy(d.partial[had:], b)
	h, size, err := parseHeader(d.partial[:n])
	if err != nil {
		return 0, d.explain(err, d.partial[:])
	}
	if size == 0 {
		d.partialLen = int8(n)
		return len(b), nil
	}
	d.partialLen = 0
	return size - had, d.explain(d.begin(h), d.partial[:])
}

// begin checks a frame's header against the rules and makes its payload the current one.
func (d *decoder) begin(h header) error {
	if err := d.check(h); err != nil {
		return err
	}
	if d.bringsNothing(h) && !d.allowControl() {
		return errControlFlood
	}
	d.left, d.mask, d.op, d.begun = h.length, h.mask, h.op, true
	if h.op.control() {
		if d.control == nil {
			d.control = new(controlPayload)
		}
		d.control.len = 0
		if h.length == 0 {
			d.endControl()
		}
		return nil
	}
	d.inMessage = !h.fin
	return nil
}

// emptyPieces is how many empty data frames may come with one that brings something. There are libraries that send a packet piece by
// piece, the empty ones too: paho.golang over a WebSocket does.
const emptyPieces = 4

// bringsNothing reports whether a frame is to be counted.
func (d *decoder) bringsNothing(h header) bool {
	switch {
	case h.op.control():
		return true
	case h.length > 0:
		d.spare = emptyPieces
		return false
	case d.spare > 0:
		d.spare--
		return false
	}
	return true
}

// controlBurst is for how many seconds a device may save up its control frames.
const controlBurst = 10

// allowControl counts a frame that brings nothing of the stream. It reports whether the device may send it now.
func (d *decoder) allowControl() bool {
	if d.controlRate == 0 {
		return true
	}
	if d.controls == nil {
		d.controls = rate.NewLimiter(rate.Limit(d.controlRate), controlBurst*d.controlRate)
	}
	return d.controls.Allow()
}

func (d *decoder) check(h header) error {
	switch h.op {
	case opBinary:
		if d.inMessage {
			return errInterleaved
		}
	case opContinuation:
		if !d.inMessage {
			return errContinuation
		}
	case opText:
		return errText
	case opClose, opPing, opPong:
		if !h.fin || h.length > maxControl {
			return errControlFrame
		}
	default:
		return errOpcode
	}
	if h.length>>63 != 0 {
		return errLengthSign
	}
	if h.length > maxFrameLen {
		return errFrameTooLong
	}
	// Paho Python and older ESP firmware leave pongs and closes unmasked (device-quirks U3). They carry no payload
	// that reaches the broker, so there is nothing that masking would protect.
	if !h.masked && h.op != opPong && h.op != opClose {
		return errUnmasked
	}
	return nil
}

func (d *decoder) endControl() {
	switch d.op {
	case opPing:
		d.control.pingN = copy(d.control.ping[:], d.control.buf[:d.control.len])
		d.pinged = true
	case opClose:
		d.closed = true
	}
}

// takePing returns the payload of the latest unanswered ping. It is valid until the next call of decode.
func (d *decoder) takePing() (payload []byte, ok bool) {
	if !d.pinged {
		return nil, false
	}
	d.pinged = false
	return d.control.ping[:d.control.pingN], true
}

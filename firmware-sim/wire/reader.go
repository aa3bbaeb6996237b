package wire

import (
	"bufio"
	"errors"
	"io"
	"time"
)

// Frame is one received frame with its payload, unmasked.
type Frame struct {
	Header
	Payload []byte
}

// ErrTooLarge means that a frame announced more than the reader's owner allows; nothing of its payload was read.
var ErrTooLarge = errors.New("frame larger than the receiver's limit")

// Deadliner is the part of a connection that a Reader needs to time the middle of a frame.
type Deadliner interface{ SetReadDeadline(time.Time) error }

// Reader reads frames. It belongs to one goroutine.
type Reader struct {
	// Limit is the largest payload read into memory, in bytes.
	Limit uint64
	// MidFrame, when set together with Conn, is how long the rest of a frame may take after its first byte.
	MidFrame time.Duration
	Conn     Deadliner

	buf *bufio.Reader
}

// NewReader reads frames from r through a buffer of size bytes (at least 16).
func NewReader(r io.Reader, size int, limit uint64) *Reader {
	return &Reader{Limit: limit, buf: bufio.NewReaderSize(r, size)}
}

// Buffered returns how many received bytes have not been asked for yet.
func (r *Reader) Buffered() int { return r.buf.Buffered() }

// Next reads one frame. The payload is appended to into[:0] and stays valid as long as the caller leaves into alone.
// ErrTooLarge comes with the header that announced the size.
func (r *Reader) Next(into []byte) (Frame, error) {
	h, err := r.header()
	if err != nil {
		return Frame{Header: h}, err
	}
	if h.Length > r.Limit {
		return Frame{Header: h}, ErrTooLarge
	}
	payload := grow(into[:0], int(h.Length))
	if _, err := io.ReadFull(r.buf, payload); err != nil {
		return Frame{Header: h}, midFrame(err)
	}
	if h.Masked {
		Mask(payload, h.Mask, 0)
	}
	if r.MidFrame > 0 && r.Conn != nil {
		_ = r.Conn.SetReadDeadline(time.Time{})
	}
	return Frame{Header: h, Payload: payload}, nil
}

func (r *Reader) header() (Header, error) {
	need := 2
	for {
		b, err := r.buf.Peek(need)
		if err != nil {
			if len(b) > 0 {
				err = midFrame(err)
			}
			return Header{}, err
		}
		if need == 2 && r.MidFrame > 0 && r.Conn != nil {
			_ = r.Conn.SetReadDeadline(time.Now().Add(r.MidFrame))
		}
		h, n, err := ParseHeader(b)
		if err == nil {
			_, err = r.buf.Discard(n)
			return h, err
		}
		need++
	}
}

// grow returns b with length n, reusing its memory where it suffices.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// ErrMidFrame is wrapped by errors that struck inside a frame.
var ErrMidFrame = errors.New("inside a frame")

func midFrame(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(ErrMidFrame, err)
}

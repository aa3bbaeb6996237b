package wsframes

import (
	"encoding/binary"
	"fmt"
	"net"
	"testing"
)

// Frame is a frame that the bridge sent.
type Frame struct {
	Op      byte
	Payload string
}

// Sent is a frame as the bridge has to send it.
func Sent(op byte, payload string) Frame { return Frame{Op: op, Payload: payload} }

// Parse reads what the bridge sent, which must be whole frames: final, unmasked, without reserved bits and with the
// shortest Header (RFC 6455 sections 5.1 and 5.2, device-quirks D1 and D5).
func Parse(b []byte) (frames []Frame, err error) {
	for len(b) > 0 {
		if len(b) < 2 {
			return frames, fmt.Errorf("half a header: % x", b)
		}
		first, size, n := b[0], 2, int(b[1])
		switch {
		case first&FIN == 0 || first&(RSV1|RSV2|RSV3) != 0:
			return frames, fmt.Errorf("first byte %#x of a frame", first)
		case n&0x80 != 0:
			return frames, fmt.Errorf("masked frame % x", b[:2])
		case n == 126:
			size, n = 4, int(binary.BigEndian.Uint16(b[2:]))
		case n == 127:
			size, n = 10, int(binary.BigEndian.Uint64(b[2:]))
		}
		if got := len(Header(first, n, 0)); got != size {
			return frames, fmt.Errorf("%d bytes of header for %d of payload", size, n)
		}
		if len(b) < size+n {
			return frames, fmt.Errorf("frame of %d bytes has %d", n, len(b)-size)
		}
		frames = append(frames, Frame{first & 0x0F, string(b[size : size+n])})
		b = b[size+n:]
	}
	return frames, nil
}

// MustParse is [Parse] of a bridge that sends nothing else.
func MustParse(t testing.TB, b []byte) []Frame {
	t.Helper()
	frames, err := Parse(b)
	if err != nil {
		t.Fatalf("the bridge sent a bad frame: %v", err)
	}
	return frames
}

// Collector reads a connection until it ends.
type Collector struct{ done chan []byte }

// Collect begins to read; Wait ends with the connection.
func Collect(nc net.Conn) *Collector {
	c := &Collector{done: make(chan []byte, 1)}
	go c.run(nc)
	return c
}

func (c *Collector) run(nc net.Conn) {
	var all []byte
	p := make([]byte, 4096)
	for {
		n, err := nc.Read(p)
		all = append(all, p[:n]...)
		if err != nil {
			c.done <- all
			return
		}
	}
}

// Wait returns what was read once the connection has ended. It may be called once.
func (c *Collector) Wait() []byte { return <-c.done }

package frame_test

import (
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"mqtt-ws-bridge/wsio/frame"
)

// scriptConn is a device that sends these chunks, one for each read, and then closes. It keeps every write apart.
type scriptConn struct {
	net.Conn // nil: what is not scripted panics

	chunks [][]byte

	mu     sync.Mutex
	writes [][]byte
	closed bool
}

func script(chunks ...[]byte) *scriptConn { return &scriptConn{chunks: slices.Clone(chunks)} }

func (c *scriptConn) Read(p []byte) (int, error) {
	if len(c.chunks) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.chunks[0])
	if c.chunks[0] = c.chunks[0][n:]; len(c.chunks[0]) == 0 {
		c.chunks = c.chunks[1:]
	}
	return n, nil
}

func (c *scriptConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, slices.Clone(p))
	return len(p), nil
}

func (c *scriptConn) Close() error {
	c.closed = true
	return nil
}

func (c *scriptConn) SetDeadline(time.Time) error { return nil }

// sent returns all writes joined.
func (c *scriptConn) sent() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.writes...)
}

// sizes returns the size of every write.
func (c *scriptConn) sizes() []int {
	var n []int
	for _, w := range c.writes {
		n = append(n, len(w))
	}
	return n
}

// readStream reads conn to its end with a buffer of this size.
func readStream(conn *frame.Conn, size int) (stream []byte, err error) {
	p := make([]byte, size)
	for {
		n, err := conn.Read(p)
		if n < 0 || n > len(p) {
			panic("more bytes than the buffer has")
		}
		stream = append(stream, p[:n]...)
		if err != nil {
			return stream, err
		}
	}
}

// cuttings calls try with the wire in one piece, in single bytes, and cut in two at every byte; a long one only near its header and its end.
func cuttings(wire []byte, try func(chunks [][]byte)) {
	try([][]byte{slices.Clone(wire)})
	single := make([][]byte, len(wire))
	for i := range wire {
		single[i] = []byte{wire[i]}
	}
	try(single)
	const near = 32
	for i := 1; i < len(wire); i++ {
		if len(wire) > 300 && i == near {
			i = len(wire) - near
		}
		try([][]byte{slices.Clone(wire[:i]), slices.Clone(wire[i:])})
	}
}

package frame

import (
	"net"
	"unsafe"
)

// What the tests of this package reach past the public names for: connections without a handshake, and the decoder.

// NewConn wraps a connection as if its handshake were done.
func NewConn(nc net.Conn, early []byte, maxFrame int) *Conn {
	return New(nc, Options{Early: early, Subprotocol: "mqtt", MaxFrame: maxFrame})
}

// LimitControls is what the handler does with its ControlRate.
func (c *Conn) LimitControls(rate int) { c.dec.controlRate = rate }

// Decoder is the decoder of device frames.
type Decoder = decoder

// Decode is decode.
func (d *decoder) Decode(b []byte) (int, error) { return d.decode(b) }

// TakePing is takePing.
func (d *decoder) TakePing() ([]byte, bool) { return d.takePing() }

// Closed returns the payload of the device's close frame, if there was one.
func (d *decoder) Closed() ([]byte, bool) {
	if !d.closed {
		return nil, false
	}
	return d.control.buf[:d.control.len], true
}

// Unmask is unmask.
var Unmask = unmask

// ConnSize is what a Conn takes before the device has sent a control frame.
const ConnSize = unsafe.Sizeof(Conn{})

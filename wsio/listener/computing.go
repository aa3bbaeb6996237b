package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
)

// A TLS handshake costs the bridge a millisecond or two of processor time, and its peer next to nothing: whoever repeats one greeting on
// connection after connection could have all processors busy. So a handshake computes in a slot, of which there are few, and gives
// it back whenever it waits for its peer.

// computing is a TLS handshake's use of the slots. It belongs to the goroutine that makes the handshake.
type computing struct {
	slots  Slots
	ctx    context.Context // how long it waits for a slot
	device net.Addr
	has    bool
}

// begin waits for a slot.
func (c *computing) begin() error {
	err := c.slots.Acquire(c.ctx, c.device)
	switch c.has = err == nil; {
	case c.has:
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return os.ErrDeadlineExceeded
	case errors.Is(err, context.Canceled):
		return net.ErrClosed
	}
	return err
}

// end gives the slot back, if there is one.
func (c *computing) end() {
	if c.has {
		c.has = false
		c.slots.Release(c.device)
	}
}

// calculate makes the TLS handshake. It computes in slots; the connection's deadline ends the rest.
func (c *Pending) calculate(conn *tls.Conn) error {
	defer c.cancel()
	if c.listener.opts.Computing != nil {
		device := c.device
		if device == nil {
			device = c.raw.RemoteAddr()
		}
		c.low.compute = &computing{slots: c.listener.opts.Computing, ctx: c.ctx, device: device}
		defer func() {
			c.low.compute.end()
			c.low.compute = nil
		}()
	}
	return conn.HandshakeContext(context.Background())
}

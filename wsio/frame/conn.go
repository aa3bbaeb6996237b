package frame

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a device's WebSocket as a net.Conn of the bytes in its binary frames.
//
// One goroutine may read while others write; writes do not mix within a frame. Deadlines are those of the connection
// below; a deadline that expires inside a write leaves half a frame behind, so every later write fails. Close closes the
// connection at once; [Conn.CloseWith] says goodbye first.
type Conn struct {
	// Set once.
	nc          net.Conn
	buffered    pender   // nc, if it has bytes that have left the socket; otherwise nil
	device      net.Addr // nil: as nc says
	subprotocol string
	maxFrame    int
	records     records // nc, if its TLS records are limited; otherwise nil

	// Owned by the goroutine that reads.
	early   []byte // what came with the handshake request
	dec     decoder
	readErr error // once set, every Read returns it

	// wmu is held across writes to nc: it is what keeps frames whole. Whoever holds it for too long is a device that
	// does not read, which [Conn.WriteProgress] shows.
	wmu       sync.Mutex
	broken    error // set when a write failed: the device may have half a frame
	closeSent bool
	pongOut   []byte // the pong being written

	progress atomic.Uint32

	pongWaiting atomic.Bool
	pongMu      sync.Mutex
	pong        []byte // the answer to the latest ping, a whole frame
}

// secure is a connection with TLS: a *tls.Conn, or what reads it.
type secure interface {
	NetConn() net.Conn
	ConnectionState() tls.ConnectionState
}

// Options are what the handshake of a connection settled.
type Options struct {
	Early       []byte   // what of the device's frames came with its request
	Device      net.Addr // the device, where it is not the other end of the connection; otherwise nil
	Subprotocol string   // as the device spelled it; "": it offered none
	MaxFrame    int      // the largest payload of a frame to the device, in bytes; must be above zero
	ControlRate int      // frames in a second that bring nothing of the stream; 0: any
}

// New returns the open WebSocket on nc, which it owns from now on.
func New(nc net.Conn, o Options) *Conn {
	c := &Conn{nc: nc, early: o.Early, device: o.Device, subprotocol: o.Subprotocol, maxFrame: o.MaxFrame}
	c.dec.controlRate = o.ControlRate
	c.buffered, _ = nc.(pender)
	if r, ok := nc.(records); ok && r.RecordSize() > 0 {
		c.records = r
	}
	return c
}

// records is a connection whose TLS records are limited in size. WriteMore is a Write after which another follows at once.
type records interface {
	RecordSize() int
	WriteMore(p []byte) (int, error)
}

// pender is a connection whose next Read may return what has left the socket already, as TLS has it.
type pender interface{ Pending() bool }

// Subprotocol returns the agreed subprotocol as the device spelled it, or "" if it offered none.
func (c *Conn) Subprotocol() string { return c.subprotocol }

// NetConn returns the connection below: a *net.TCPConn, *net.UnixConn or *tlsrecords.Conn, or what SetNetConn put there.
func (c *Conn) NetConn() net.Conn { return c.nc }

// SetNetConn puts nc, which is to speak for the connection below, in its place. Nothing else may use c meanwhile.
func (c *Conn) SetNetConn(nc net.Conn) { c.nc = nc }

// LocalAddr returns the bridge's address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the device's address, the same that the request had as RemoteAddr: what a believed proxy says, otherwise
// the other end of the connection. Its port is 0 where a proxy named none.
func (c *Conn) RemoteAddr() net.Addr {
	if c.device != nil {
		return c.device
	}
	return c.nc.RemoteAddr()
}

// TLS returns the state of the connection's TLS, or nil if there is none.
func (c *Conn) TLS() *tls.ConnectionState {
	t, ok := c.nc.(secure)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.nc.SetDeadline(t) }

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.nc.SetReadDeadline(t) }

// SetWriteDeadline sets the deadline of everything that writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.nc.SetWriteDeadline(t) }

// Close closes the connection without a close frame. It may be called more than once and at any time.
func (c *Conn) Close() error {
	// TLS says goodbye with an alert and waits up to 5 s for room to send it. A device that stopped reading has none.
	if t, ok := c.nc.(secure); ok && c.isBroken() {
		return t.NetConn().Close()
	}
	return c.nc.Close()
}

// isBroken reports whether a write failed. While one is under way it says no: then tls.Conn leaves out the alert by itself.
func (c *Conn) isBroken() bool {
	if !c.wmu.TryLock() {
		return false
	}
	defer c.wmu.Unlock()
	return c.broken != nil
}

// WriteProgress is a number that changes whenever a write to the device begins or ends, and is odd while one is under way.
// A number that stays odd belongs to a device that does not read. Safe for concurrent use.
func (c *Conn) WriteProgress() uint32 { return c.progress.Load() }

// Read reads the bytes of the device's stream. p is also the scratch space: its frames are read into it and decoded in
// place, so a p of a few KiB serves best. Pings are answered and the device's close frame is returned on the way.
//
// The error is io.EOF when the device closed, with or without a close frame ([Conn.PeerClose] tells), an [*Error] when it broke
// the protocol, or that of the connection below.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.readErr == nil {
		n, err := c.readRaw(p)
		if n > 0 {
			n = c.decodeRaw(p[:n])
		}
		if err != nil && c.readErr == nil {
			if isTimeout(err) {
				return n, err
			}
			c.readErr = err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, c.readErr
}

// decodeRaw decodes in place, does what control frames ask for, and returns the number of stream bytes.
func (c *Conn) decodeRaw(raw []byte) int {
	n, err := c.dec.decode(raw)
	if ping, ok := c.dec.takePing(); ok {
		c.answerPing(ping)
	}
	switch {
	case err != nil:
		c.readErr = err
	case c.dec.closed:
		c.readErr = io.EOF
		_, answer := closeCode(c.closePayload())
		c.sendClose(answer, "")
	}
	return n
}

// Pending reports whether the next Read does not read from the connection below: the device said more than the last Read returned,
// or has ended. It belongs to the goroutine that reads.
func (c *Conn) Pending() bool {
	return len(c.early) > 0 || c.readErr != nil || c.buffered != nil && c.buffered.Pending()
}

func (c *Conn) readRaw(p []byte) (int, error) {
	if len(c.early) > 0 {
		n := copy(p, c.early)
		if c.early = c.early[n:]; len(c.early) == 0 {
			c.early = nil
		}
		return n, nil
	}
	return c.nc.Read(p)
}

func (c *Conn) closePayload() []byte { return c.dec.control.buf[:c.dec.control.len] }

// PeerClose returns the code of the device's close frame: 1005 if the frame had none, 1006 if there was no frame. It belongs
// to the goroutine that reads, after Read returned an error.
func (c *Conn) PeerClose() int {
	if !c.dec.closed {
		return closeAbnormal
	}
	got, _ := closeCode(c.closePayload())
	return got
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

package wsio

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/pires/go-proxyproto"
)

// proxyHeaderBuffer is what is read of a connection while its PROXY header is looked for. A header of version 1 has at most
// 107 bytes; one of version 2 may be larger and is read in several steps, up to the 4 KiB that the library takes.
const proxyHeaderBuffer = 256

// errProxyHeader is what a connection without a good PROXY header gives instead of its bytes.
var errProxyHeader = errors.New("no good PROXY header")

// proxyListener reads the PROXY header of connections that come from believed peers. It must be there: whether a connection
// has one is never guessed. Connections from elsewhere pass as they are, and a PROXY header in them is bytes like any others.
type proxyListener struct {
	net.Listener
	opts ListenerOptions
}

// Accept does not wait for a header: whoever uses the connection first does.
func (l *proxyListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil || !l.opts.ProxyProtocol.has(nc.RemoteAddr()) {
		return nc, err
	}
	return &proxiedConn{Conn: nc, deadline: time.Now().Add(l.opts.HeaderTimeout), refused: l.opts.Refused}, nil
}

// proxiedConn is a connection that begins with a PROXY header. RemoteAddr, Read and Write wait for it; net/http asks for
// RemoteAddr in the connection's own goroutine before anything else. Deadlines set before the header was read are forgotten.
type proxiedConn struct {
	net.Conn
	deadline time.Time // of the header
	refused  func(peer net.Addr, cause Cause, err error)

	once   sync.Once
	device net.Addr // nil: the peer itself
	err    error
	early  []byte // what came with the header; belongs to the goroutine that reads
}

// header waits for the header. A connection that ends without a byte is a proxy seeing whether the port is open, and no refusal.
func (c *proxiedConn) header() error {
	c.once.Do(func() {
		_ = c.Conn.SetReadDeadline(c.deadline) // on a connection that is closed, reading says so
		r := bufio.NewReaderSize(c.Conn, proxyHeaderBuffer)
		if _, c.err = r.Peek(1); c.err != nil && !isTimeout(c.err) {
			return
		}
		if c.device, c.err = readProxyHeader(r); c.err != nil {
			if c.refused != nil {
				c.refused(c.Conn.RemoteAddr(), CauseProxyHeader, c.err)
			}
			return
		}
		_ = c.Conn.SetReadDeadline(time.Time{})
		if n := r.Buffered(); n > 0 {
			c.early, _ = r.Peek(n)
		}
	})
	return c.err
}

// readProxyHeader reads a header and returns the device's address, or nil where the proxy speaks for itself (LOCAL, UNKNOWN)
// or names something that is no IP address. TLVs have to be well-formed and are not looked into.
func readProxyHeader(r *bufio.Reader) (net.Addr, error) {
	h, err := proxyproto.Read(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if _, err := h.TLVs(); err != nil {
		return nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if h.Command.IsLocal() {
		return nil, nil
	}
	if h.TransportProtocol.IsDatagram() {
		return nil, fmt.Errorf("%w: it speaks of datagrams", errProxyHeader)
	}
	source, ok := h.SourceAddr.(*net.TCPAddr)
	if !ok {
		return nil, nil
	}
	ip := source.AddrPort().Addr()
	return tcpAddr(ip, uint16(source.Port)), nil
}

// Read returns the bytes behind the header.
func (c *proxiedConn) Read(p []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	if len(c.early) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.early)
	if c.early = c.early[n:]; len(c.early) == 0 {
		c.early = nil
	}
	return n, nil
}

// Write fails if there was no good header: then nothing must be said to whoever is there.
func (c *proxiedConn) Write(p []byte) (int, error) {
	if err := c.header(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// RemoteAddr returns the address in the header.
func (c *proxiedConn) RemoteAddr() net.Addr {
	if c.header() != nil || c.device == nil {
		return c.Conn.RemoteAddr()
	}
	return c.device
}

// NetConn returns the connection below.
func (c *proxiedConn) NetConn() net.Conn { return c.Conn }

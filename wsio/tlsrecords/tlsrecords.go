// Package tlsrecords reads many records of TLS at once, and limits the size of those it writes.
//
// A Read of crypto/tls returns the content of one record, and both devices and brokers put each packet into a record of its own. What
// follows a read, a write to the other end, would be done for every packet, where a plain connection brings many packets with one read.
// A [Conn] reads on while TLS has something, and never waits for more. docs/decisions/0011-tls-records.md says what it buys.
//
// It also limits the size of records to clients that have little memory for them: see [Server].
package tlsrecords

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
)

// Conn is a TLS connection whose Read returns what all records bring that have come, as far as there is room. One goroutine may read at
// a time. Everything else is as *tls.Conn has it, so that a Read goes on after a deadline, with nothing lost.
type Conn struct {
	*tls.Conn
	below *below
	more  bool  // the last Read ended for want of room
	err   error // what ended a Read that had something to return: every later one returns it
}

// Gather returns t as a Conn. Nothing may read from t itself from then on. What lies below t must come from [Below] or [Listener]:
// otherwise every Read brings one record.
func Gather(t *tls.Conn) *Conn {
	b, ok := t.NetConn().(*below)
	if ok {
		b.gathers = true
	}
	return &Conn{Conn: t, below: b}
}

// Read waits for a record, and then takes what there is. An error that is not the first record's comes with the next Read.
func (c *Conn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.more = false
	n, err := c.Conn.Read(p)
	if err != nil || c.below == nil {
		return n, err
	}
	c.below.quiet = true
	for n < len(p) && err == nil {
		var more int
		more, err = c.Conn.Read(p[n:])
		n += more
	}
	c.below.quiet = false
	c.more = err == nil
	if err != nil && !errors.Is(err, errLater) {
		c.err = err // crypto/tls does not say each of them again, and may read on behind it
	}
	return n, nil
}

// CloseWrite ends our direction: with close_notify, and at once with the end of the stream below, which is what many peers wait for (RFC 8446
// section 6.1 asks for the former only). The stream below ends even where TLS had no room to say so.
func (c *Conn) CloseWrite() error {
	err := c.Conn.CloseWrite()
	if h, ok := c.Socket().(interface{ CloseWrite() error }); ok {
		err = errors.Join(err, h.CloseWrite())
	}
	return err
}

// Pending reports whether the next Read may return something that has left the socket already. It belongs to the goroutine that reads.
func (c *Conn) Pending() bool { return c.more || c.err != nil }

// Socket returns the connection below TLS, nil if it did not come from [Below] or [Listener].
func (c *Conn) Socket() net.Conn {
	if c.below == nil {
		return nil
	}
	return c.below.Conn
}

// SetSocket puts nc, which is to speak for the connection that Socket returns, in its place. Nothing else may use c meanwhile. Called only
// where Socket returns one.
func (c *Conn) SetSocket(nc net.Conn) { c.below.Conn = nc }

// Below returns nc as it shall be below TLS.
func Below(nc net.Conn) net.Conn { return &below{Conn: nc} }

// Listener returns l with its connections as they shall be below TLS.
func Listener(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Below(nc), nil
}

// below is the connection between TLS and the socket. The fields but size belong to the goroutine that reads.
type below struct {
	net.Conn
	size     *size // nil: no limit. The first write decides
	gathers  bool  // there is a Conn above
	quiet    bool  // Read returns errLater instead of waiting
	much     bool  // the last read of the socket brought all that TLS had room for, or more: there is likely to be more
	buf      *room // nil when it is empty
	from, to int   // what TLS has not taken of it
}

// room is for what one read of the socket brings while there is much. TLS by itself has room for half a KiB.
type room [4 << 10]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// NetConn returns the connection below.
func (b *below) NetConn() net.Conn { return b.Conn }

func (b *below) Read(p []byte) (int, error) {
	switch {
	case b.buf != nil:
		return b.take(p), nil
	case b.quiet:
		return 0, errLater
	case b.much && len(p) < len(b.buf):
		return b.fill(p)
	}
	n, err := b.Conn.Read(p)
	if b.size != nil && b.size.hello != nil {
		b.size.hello.add(p[:n])
	}
	b.much = b.gathers && n == len(p)
	return n, err
}

// fill reads more than TLS asks for.
func (b *below) fill(p []byte) (int, error) {
	buf := rooms.Get().(*room)
	n, err := b.Conn.Read(buf[:])
	b.much = n > len(p)
	if n == 0 {
		rooms.Put(buf)
		return 0, err
	}
	b.buf, b.from, b.to = buf, 0, n // an error that came with it comes again
	return b.take(p), nil
}

func (b *below) take(p []byte) int {
	n := copy(p, b.buf[b.from:b.to])
	if b.from += n; b.from == b.to {
		rooms.Put(b.buf)
		b.buf = nil
	}
	return n
}

// errLater is a timeout that crypto/tls takes for a deadline's: it can be read from again.
var errLater net.Error = later{}

type later struct{}

func (later) Error() string   { return "nothing to be read without waiting" }
func (later) Timeout() bool   { return true }
func (later) Temporary() bool { return true }

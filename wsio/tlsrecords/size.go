package tlsrecords

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync/atomic"
)

// maxContent is how many bytes of content a record may have in any case, RFC 8446 section 5.1.
const maxContent = 16 << 10

// Server returns the server's side of a TLS connection over nc, as tls.Server does. Records with application data to the client have at
// most most bytes of content (0: as many as TLS allows), or less if the client asks for less in its ClientHello, provided that
// everything is written with [Write] or through a [Conn]. Handshake records that are not encrypted are as small for a client that asks
// with max_fragment_length, whose limit includes them.
//
// The extension in the ClientHello is not acknowledged, because crypto/tls cannot: the client may send larger records. In TLS 1.3
// the server's certificates are encrypted, and crypto/tls puts up to 16 KiB of them into one record. docs/decisions/0020-record-size.md.
func Server(nc net.Conn, config *tls.Config, most int) *tls.Conn {
	return tls.Server(&below{Conn: nc, size: &size{most: most, hello: new(hello)}}, config)
}

// Size returns how many bytes of content records with application data to the peer may have, 0 if as many as TLS allows. It is known when
// the handshake is complete.
func Size(t *tls.Conn) int {
	if b, ok := t.NetConn().(*below); ok {
		return b.recordSize()
	}
	return 0
}

// Write writes p in records that are not larger than [Size] says. One goroutine may write at a time.
func Write(t *tls.Conn, p []byte) (int, error) {
	b, ok := t.NetConn().(*below)
	if !ok || b.recordSize() == 0 {
		return t.Write(p)
	}
	return b.size.write(t, p, false)
}

// RecordSize is [Size] of the connection.
func (c *Conn) RecordSize() int {
	if c.below == nil {
		return 0
	}
	return c.below.recordSize()
}

// Write writes p in records that are not larger than [Conn.RecordSize]. Small records share writes to the connection below. One
// goroutine may write at a time.
func (c *Conn) Write(p []byte) (int, error) {
	if c.RecordSize() == 0 {
		return c.Conn.Write(p)
	}
	return c.below.size.write(c.Conn, p, false)
}

// WriteMore is Write where another Write follows at once: up to 4 KiB of records wait for that one. Called only where RecordSize is not 0.
func (c *Conn) WriteMore(p []byte) (int, error) { return c.below.size.write(c.Conn, p, true) }

// size is how large records to a client may be, and the state of making them so.
type size struct {
	most   int         // bytes of content in a record with application data; set once, at the first write
	follow atomic.Bool // more records follow at once, and those before may wait for them

	// Owned by the goroutine that performs the handshake.
	hello     *hello // nil after the first write
	handshake int    // bytes of content in a handshake record; 0: as many as TLS allows, or they are encrypted

	// Owned by whoever writes below TLS: crypto/tls has a lock for that.
	buf  *room // nil when it is empty
	used int
}

func (b *below) recordSize() int {
	if b.size == nil {
		return 0
	}
	return b.size.most
}

// write writes p in records. more: another write follows at once.
func (s *size) write(t *tls.Conn, p []byte, more bool) (n int, err error) {
	for err == nil && n < len(p) {
		part := p[n:min(n+s.most, len(p))]
		s.follow.Store(more || n+len(part) < len(p))
		var wrote int
		wrote, err = t.Write(part)
		n += wrote
	}
	if err != nil {
		s.follow.Store(false) // an alert may follow
	}
	return n, err
}

// Write writes records.
func (b *below) Write(p []byte) (int, error) {
	if b.size == nil {
		return b.Conn.Write(p)
	}
	if b.size.hello != nil && !b.decide() {
		return b.Conn.Write(p)
	}
	switch s := b.size; {
	case s.handshake > 0:
		return b.writeHandshake(p)
	case s.follow.Load() || s.used > 0:
		return b.writeLater(p)
	}
	return b.Conn.Write(p)
}

// decide fixes the size of records, at the first write, when the ClientHello is complete. It reports whether there is a limit.
func (b *below) decide() bool {
	s := b.size
	data, handshake := s.hello.requested()
	s.hello, s.handshake = nil, handshake
	if data > 0 && (s.most == 0 || data < s.most) {
		s.most = data
	}
	if s.most == 0 || s.most >= maxContent {
		b.size = nil
	}
	return b.size != nil
}

// writeLater writes records together with those that follow or came before. What is left when a write fails goes with the connection.
func (b *below) writeLater(p []byte) (int, error) {
	s := b.size
	if s.used > 0 && s.used+len(p) > len(room{}) {
		if err := b.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) > len(room{}) {
		return b.Conn.Write(p)
	}
	if s.buf == nil {
		s.buf = rooms.Get().(*room)
	}
	s.used += copy(s.buf[s.used:], p)
	if s.follow.Load() {
		return len(p), nil
	}
	if err := b.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flush writes the records that wait.
func (b *below) flush() error {
	s := b.size
	_, err := b.Conn.Write(s.buf[:s.used])
	rooms.Put(s.buf)
	s.buf, s.used = nil, 0
	return err
}

// writeHandshake writes whole records of the handshake, cut where they are too large and not encrypted (RFC 6066 section 4: the
// limit includes handshake messages).
func (b *below) writeHandshake(p []byte) (int, error) {
	s := b.size
	out := make([]byte, 0, len(p)+(len(p)/s.handshake+1)*recordHeader)
	rest := p
	for len(rest) >= recordHeader {
		length := int(binary.BigEndian.Uint16(rest[3:]))
		if len(rest) < recordHeader+length || rest[0] == recordCipher || rest[0] == recordData {
			s.handshake = 0 // encrypted from here on
			break
		}
		header, content := rest[:recordHeader], rest[recordHeader:recordHeader+length]
		rest = rest[recordHeader+length:]
		for ; len(content) > s.handshake && header[0] == recordHandshake; content = content[s.handshake:] {
			out = appendRecord(out, header, content[:s.handshake])
		}
		out = appendRecord(out, header, content)
	}
	if _, err := b.Conn.Write(append(out, rest...)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendRecord appends a record with the type and version of another.
func appendRecord(out, header, content []byte) []byte {
	out = append(out, header[:3]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(content)))
	return append(out, content...)
}

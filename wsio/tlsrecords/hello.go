package tlsrecords

import (
	"sync"

	"golang.org/x/crypto/cryptobyte"
)

const (
	maxHello = 16 << 10 // bytes of a ClientHello that are read for its record size, record headers included

	recordHeader    = 5
	recordCipher    = 20 // change_cipher_spec
	recordHandshake = 22
	recordData      = 23

	messageClientHello = 1

	extensionFragment   = 1  // max_fragment_length, RFC 6066 section 4
	extensionRecordSize = 28 // record_size_limit, RFC 8449 section 4

	smallestLimit = 64 // RFC 8449 section 4: a smaller one is an error of the client
)

// requestedSize returns how many bytes of content the sender of a ClientHello accepts in a record with application data, and in an
// unencrypted one of the handshake, 0 where it asks for no limit. stream is what it has sent, in records. crypto/tls tells which
// extensions came, and not what they contain.
func requestedSize(stream []byte) (data, handshake int) {
	hello := cryptobyte.String(handshakeMessages(stream))
	var kind uint8
	var body, id, ciphers, compression, extensions cryptobyte.String
	if !hello.ReadUint8(&kind) || kind != messageClientHello || !hello.ReadUint24LengthPrefixed(&body) || !body.Skip(2+32) ||
		!body.ReadUint8LengthPrefixed(&id) || !body.ReadUint16LengthPrefixed(&ciphers) || !body.ReadUint8LengthPrefixed(&compression) ||
		!body.ReadUint16LengthPrefixed(&extensions) {
		return 0, 0
	}
	fragment, size := 0, 0
	for len(extensions) > 0 {
		var number uint16
		var value cryptobyte.String
		if !extensions.ReadUint16(&number) || !extensions.ReadUint16LengthPrefixed(&value) {
			return 0, 0
		}
		switch number {
		case extensionFragment:
			var code uint8
			if value.ReadUint8(&code) && len(value) == 0 && code >= 1 && code <= 4 {
				fragment = 1 << (8 + code)
			}
		case extensionRecordSize:
			var limit uint16
			if value.ReadUint16(&limit) && len(value) == 0 && limit >= smallestLimit {
				size = int(limit) - 1 // in TLS 1.3 the byte with the content's type counts
			}
		}
	}
	switch { // with both extensions the older one does not count, RFC 8449 section 5
	case size >= maxContent:
		return 0, 0
	case size > 0:
		return size, 0 // "unprotected messages are not subject to this limit", section 4
	}
	return fragment, fragment
}

// handshakeMessages joins what the leading handshake records of a stream contain.
func handshakeMessages(stream []byte) (all []byte) {
	for s := cryptobyte.String(stream); len(s) > 0; {
		var kind uint8
		var version uint16
		var part cryptobyte.String
		if !s.ReadUint8(&kind) || kind != recordHandshake || !s.ReadUint16(&version) || !s.ReadUint16LengthPrefixed(&part) {
			break
		}
		if all == nil { // most often the only one: no copy
			all = part[:len(part):len(part)]
			continue
		}
		all = append(all, part...)
	}
	return all
}

// hello collects what a client sends until the server answers.
type hello struct {
	buf  *[]byte // nil: nothing yet
	more bool    // there was more than is collected
}

var hellos = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

func (h *hello) add(p []byte) {
	if h.buf == nil {
		h.buf = hellos.Get().(*[]byte)
	}
	if h.more = h.more || len(*h.buf)+len(p) > maxHello; !h.more {
		*h.buf = append(*h.buf, p...)
	}
}

// requested is what the client asks for, as [requestedSize] has it. It frees what was collected.
func (h *hello) requested() (data, handshake int) {
	if h.buf == nil {
		return 0, 0
	}
	if !h.more {
		data, handshake = requestedSize(*h.buf)
	}
	*h.buf = (*h.buf)[:0]
	hellos.Put(h.buf)
	h.buf = nil
	return data, handshake
}

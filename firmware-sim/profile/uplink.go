package profile

import (
	"encoding/binary"
	"math/rand/v2"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Burst is a run of bytes and where one write ends and the next begins. Reuse it to save memory.
type Burst struct {
	buf  []byte
	ends []int
}

// Reset empties the burst and keeps its memory, unless that grew beyond 16 KiB.
func (b *Burst) Reset() {
	if cap(b.buf) > 16<<10 {
		b.buf = nil
	}
	b.buf, b.ends = b.buf[:0], b.ends[:0]
}

// Writes returns each write's bytes; they are valid until Reset.
func (b *Burst) Writes(yield func([]byte) bool) {
	start := 0
	for _, end := range b.ends {
		if !yield(b.buf[start:end]) {
			return
		}
		start = end
	}
}

func (b *Burst) mark() { b.ends = append(b.ends, len(b.buf)) }

// Encode appends to dst the writes by which a library sends packets that are ready at the same moment.
func (u Uplink) Encode(dst *Burst, rng *rand.Rand, packets ...[]byte) {
	if u.Cut == Blocks {
		var all []byte
		for _, p := range packets {
			all = append(all, p...)
		}
		u.chunks(dst, rng, all)
		return
	}
	for _, p := range packets {
		switch u.Cut {
		case Chunks:
			u.chunks(dst, rng, p)
		case ByField:
			for _, field := range fields(p) {
				u.frame(dst, rng, true, wire.Binary, field)
			}
		case Fragments:
			u.fragments(dst, rng, p)
		default:
			u.frame(dst, rng, true, wire.Binary, p)
		}
	}
}

func (u Uplink) chunks(dst *Burst, rng *rand.Rand, b []byte) {
	for len(b) > u.Chunk {
		u.frame(dst, rng, true, wire.Binary, b[:u.Chunk])
		b = b[u.Chunk:]
	}
	u.frame(dst, rng, true, wire.Binary, b)
}

func (u Uplink) fragments(dst *Burst, rng *rand.Rand, p []byte) {
	if p[0]>>4 != packet.PUBLISH {
		u.frame(dst, rng, true, wire.Binary, p)
		return
	}
	head := publishHead(p)
	u.frame(dst, rng, false, wire.Binary, p[:head])
	u.frame(dst, rng, true, wire.Continuation, p[head:])
}

func (u Uplink) frame(dst *Burst, rng *rand.Rand, fin bool, op wire.Opcode, payload []byte) {
	if u.AsText && op == wire.Binary {
		op = wire.Text
	}
	h := wire.Header{Fin: fin, Op: op, Masked: u.Mask != NoMask, Mask: u.Mask.key(len(payload), rng),
		Wide: u.WideAt64K && len(payload) == 0xFFFF}
	start := len(dst.buf)
	dst.buf = wire.AppendFrame(dst.buf, h, payload)
	if u.HeaderApart && len(payload) > 0 {
		dst.ends = append(dst.ends, start+len(dst.buf[start:])-len(payload))
	}
	dst.mark()
}

// key makes a masking key the way the library does.
func (m MaskForm) key(n int, rng *rand.Rand) [4]byte {
	var key [4]byte
	switch {
	case m == NoMask, m == ZeroLargeMask && n >= 1400:
	case m == NoFFMask, m == ZeroLargeMask:
		for i := range key {
			key[i] = byte(rng.IntN(255))
		}
	default:
		binary.NativeEndian.PutUint32(key[:], rng.Uint32())
	}
	return key
}

// publishHead is how many bytes of a PUBLISH stand before its payload: fixed header, topic, packet id. (MQTT 5
// properties count as payload here, as they do in the encoder that is imitated.)
func publishHead(p []byte) int {
	n := fixedHeader(p)
	n += 2 + int(binary.BigEndian.Uint16(p[n:]))
	if p[0]&6 != 0 {
		n += 2
	}
	return n
}

func fixedHeader(p []byte) int {
	n := 2
	for p[n-1]&0x80 != 0 {
		n++
	}
	return n
}

// fields cuts a packet where an encoder that writes field by field would: the first byte, the Remaining Length, then
// for CONNECT and PUBLISH each string's length and bytes.
func fields(p []byte) [][]byte {
	out := [][]byte{p[:1]}
	take := func(n int) {
		if n > 0 && len(p) > 0 {
			n = min(n, len(p))
			out, p = append(out, p[:n]), p[n:]
		}
	}
	n := fixedHeader(p)
	kind := p[0] >> 4
	qos := p[0] & 6
	p = p[1:]
	take(n - 1)
	text := func() {
		if len(p) >= 2 {
			n := int(binary.BigEndian.Uint16(p))
			take(2)
			take(n)
		}
	}
	switch kind {
	case packet.PUBLISH:
		text()
		if qos != 0 {
			take(2)
		}
	case packet.CONNECT:
		text()
		take(1) // level
		take(1) // flags
		take(2) // keepalive
		for len(p) >= 2 {
			text()
		}
	}
	take(len(p))
	return out
}

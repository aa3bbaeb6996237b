package null

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // RFC 6455 section 1.3 asks for it
	"encoding/base64"
	"encoding/binary"
	"errors"
)

// switching is the answer to a WebSocket handshake.
func switching(request []byte) []byte {
	key := ""
	for line := range bytes.SplitSeq(request, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Sec-WebSocket-Key")) {
			key = string(bytes.TrimSpace(value))
		}
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	return []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n")
}

// frame appends a packet as the server's connections want it: in a frame of its own, or bare.
func (s *Server) frame(b, packet []byte) []byte {
	if s.ws {
		switch n := len(packet); {
		case n < 126:
			b = append(b, 0x82, byte(n))
		case n < 1<<16:
			b = binary.BigEndian.AppendUint16(append(b, 0x82, 126), uint16(n))
		default:
			b = binary.BigEndian.AppendUint64(append(b, 0x82, 127), uint64(n))
		}
	}
	return append(b, packet...)
}

// frames turns masked frames into the bytes they carry.
type frames struct {
	pong []byte // answer owed to a ping; nil for none

	head    [14]byte // header bytes so far
	have    int
	op      byte
	left    uint64 // payload bytes to come
	mask    uint64 // the key twice, turned to the next byte
	control []byte
}

// decode returns the payload bytes in b, which it overwrites.
func (f *frames) decode(b []byte) ([]byte, error) {
	plain := b[:0]
	for len(b) > 0 {
		if f.left == 0 {
			n, err := f.header(b)
			if err != nil {
				return plain, err
			}
			b = b[n:]
			continue
		}
		n := int(min(uint64(len(b)), f.left))
		f.unmask(b[:n])
		if f.op >= 8 {
			f.control = append(f.control, b[:n]...)
		} else {
			plain = append(plain, b[:n]...)
		}
		f.left -= uint64(n)
		b = b[n:]
		f.finish()
	}
	return plain, nil
}

// header takes bytes of a frame header and returns how many; with the last, the frame's payload begins.
func (f *frames) header(b []byte) (int, error) {
	for i, c := range b {
		f.head[f.have] = c
		f.have++
		need := 6
		switch f.head[1] & 0x7F {
		case 126:
			need = 8
		case 127:
			need = 14
		}
		if f.have < 2 || f.have < need {
			continue
		}
		if f.head[1]&0x80 == 0 {
			return 0, errors.New("the frame is not masked")
		}
		f.op, f.have = f.head[0]&0x0F, 0
		switch need {
		case 6:
			f.left = uint64(f.head[1] & 0x7F)
		case 8:
			f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
		default:
			f.left = binary.BigEndian.Uint64(f.head[2:])
		}
		key := uint64(binary.LittleEndian.Uint32(f.head[need-4:]))
		f.mask = key | key<<32
		if f.op == 8 {
			return 0, errLeft
		}
		f.finish()
		return i + 1, nil
	}
	return len(b), nil
}

// finish does what a control frame asks for when it is whole.
func (f *frames) finish() {
	if f.left > 0 || f.op < 8 {
		return
	}
	if f.op == 9 {
		f.pong = append([]byte{}, f.control...)
	}
	f.control = f.control[:0]
}

func (f *frames) unmask(b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^f.mask)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(f.mask >> (8 * i))
	}
	turn := 8 * (len(b) % 4)
	f.mask = f.mask>>turn | f.mask<<(64-turn)
}

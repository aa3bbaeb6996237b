package null

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// The control packets that appear here, as the upper half of their first byte.
const (
	typeConnect    = 0x10
	typePublish    = 0x30
	typeSubscribe  = 0x80
	typePingreq    = 0xC0
	typeDisconnect = 0xE0
)

var errLeft = errors.New("the device left")

const (
	smallBuffer = 1 << 10  // an idle connection has no more
	largeBuffer = 64 << 10 // from the first read that fills the small one
)

// device is one connection from a proxy.
type device struct {
	net.Conn
	server   *Server
	job      *job
	ended    context.Context // done when the connection's goroutine ends; it outlives no call
	flooding sync.WaitGroup

	// Owned by run.
	connected bool
	topic     []byte // subscribed to
	packets   stream
	frames    frames
	out       []byte
	after     func() // what to do when out is written
}

// run serves the connection until it ends.
func (d *device) run() error {
	buf := make([]byte, smallBuffer)
	early, err := d.handshake(buf)
	for err == nil {
		if err = d.take(early); err != nil {
			break
		}
		var n int
		n, err = d.Read(buf)
		early = buf[:n]
		if n == smallBuffer && len(buf) == smallBuffer {
			if takeErr := d.take(early); takeErr != nil {
				return takeErr
			}
			buf, early = make([]byte, largeBuffer), nil
		}
	}
	return err
}

// handshake reads the request of a WebSocket and returns what came after it.
func (d *device) handshake(buf []byte) ([]byte, error) {
	if !d.server.ws {
		return nil, nil
	}
	var request []byte
	for len(request) < 16<<10 {
		n, err := d.Read(buf)
		if err != nil {
			return nil, err
		}
		request = append(request, buf[:n]...)
		if end := bytes.Index(request, []byte("\r\n\r\n")); end >= 0 {
			_, err = d.Write(switching(request[:end]))
			return request[end+4:], err
		}
	}
	return nil, errors.New("the request is too long")
}

// take looks at the bytes that came with one read and writes the answers to them at once.
func (d *device) take(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if d.server.ws {
		var err error
		if b, err = d.frames.decode(b); err != nil {
			return err
		}
		if pong := d.frames.pong; pong != nil {
			d.out = append(append(d.out, 0x8A, byte(len(pong))), pong...)
			d.frames.pong = nil
		}
	}
	var published, size int64
	err := d.packets.feed(b, func(packet []byte, whole int) error {
		if packet[0]&0xF0 == typePublish {
			published++
			size += int64(whole)
		}
		return d.answer(packet, whole)
	})
	d.job.published.Add(published)
	d.job.bytes.Add(size)
	if len(d.out) > 0 {
		if _, writeErr := d.Write(d.out); err == nil {
			err = writeErr
		}
		d.out = d.out[:0]
	}
	if d.after != nil {
		d.after()
		d.after = nil
	}
	return err
}

// answer appends what a broker would say. packet is whole unless it is large: then it is the beginning of size bytes.
func (d *device) answer(packet []byte, size int) error {
	switch packet[0] & 0xF0 {
	case typeConnect:
		d.connected = true
		if d.job.connects.Add(1) == int64(d.job.Devices) && !d.job.Subscribe {
			d.job.becomeReady()
		}
		d.say([]byte{0x20, 2, 0, 0})
	case typeSubscribe:
		return d.subscribe(packet)
	case typePublish:
		return d.publish(packet, size)
	case typePingreq:
		if d.job.asked.Add(1) == int64(d.job.Devices) {
			d.job.end()
		}
		d.say([]byte{0xD0, 0})
	case typeDisconnect:
		return errLeft
	}
	return nil
}

func (d *device) subscribe(packet []byte) error {
	b := body(packet)
	if len(b) < 5 || len(b) < 4+int(binary.BigEndian.Uint16(b[2:])) {
		return io.ErrUnexpectedEOF
	}
	d.topic = bytes.Clone(b[4 : 4+binary.BigEndian.Uint16(b[2:])])
	d.say([]byte{0x90, 3, b[0], b[1], 0})
	if d.job.Flood > 0 {
		d.flooding.Go(d.flood)
	}
	if d.job.subscribed.Add(1) == int64(d.job.Devices) && d.job.Subscribe {
		d.job.becomeReady()
		// The flood must not overtake the SUBACK.
		d.after = func() { close(d.job.ready) }
	}
	return nil
}

func (d *device) publish(packet []byte, size int) error {
	b := body(packet)
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		return io.ErrUnexpectedEOF
	}
	topic, rest := b[2:2+binary.BigEndian.Uint16(b)], b[2+binary.BigEndian.Uint16(b):]
	if packet[0]&0x06 != 0 {
		if len(rest) < 2 {
			return io.ErrUnexpectedEOF
		}
		d.say([]byte{0x40, 2, rest[0], rest[1]})
	}
	if d.topic != nil && bytes.Equal(topic, d.topic) {
		if len(packet) != size {
			return errors.New("the message is too large to be sent back")
		}
		d.say(packet)
	}
	return nil
}

func (d *device) say(packet []byte) { d.out = d.server.frame(d.out, packet) }

// flood writes the job's messages when all devices are there, and ends with the connection at the latest.
func (d *device) flood() {
	select {
	case <-d.job.ready:
	case <-d.ended.Done():
		return
	}
	for left := d.job.Flood; left > 0; {
		chunk, n := d.job.flood, d.job.Batch
		if left < n {
			chunk, n = d.job.last, left
		}
		d.job.flooded.Add(int64(n)) // before the device can have them
		if _, err := d.Write(chunk); err != nil {
			return
		}
		left -= n
	}
}

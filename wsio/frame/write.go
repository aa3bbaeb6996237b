package frame

import (
	"net"
	"sync"
	"time"
)

const (
	gatherSize = 16 << 10 // frames that go out in one write, headers included: what one TLS record holds
	gatherMax  = 4 << 10  // a longer payload is written from where it lies
)

// Gathered frames lie in a buffer for as long as the device does not read. A few small ones do with less.
const fewSize = 2 << 10

type (
	gatherBuf [gatherSize]byte
	fewBuf    [fewSize]byte
)

var (
	gatherPool = sync.Pool{New: func() any { return new(gatherBuf) }}
	fewPool    = sync.Pool{New: func() any { return new(fewBuf) }}
)

// WriteFrames sends consecutive runs of buf, each as one final binary frame: the first run starts at [Headroom], each ends
// where ends says, and the next follows on. Bytes before the first run and, once sent, those of the runs themselves are
// overwritten: buf is scratch when it returns. A run longer than the largest frame becomes several complete frames; an
// empty run is left out, since no frame may be empty (device-quirks D1).
//
// Frames are gathered so that a burst costs one write, and no frame's header leaves before its last byte is there (D2, D3).
func (c *Conn) WriteFrames(buf []byte, ends []int) error {
	c.wmu.Lock()
	defer c.unlockWriter()
	if c.broken != nil {
		return c.broken
	}
	if c.closeSent {
		return net.ErrClosed
	}
	if len(ends) == 1 {
		return c.writeInPlace(buf, Headroom, ends[0])
	}
	return c.writeGathered(buf, ends)
}

func (c *Conn) writeGathered(buf []byte, ends []int) error {
	if len(ends) == 0 {
		return nil
	}
	size := gatherSize
	if c.records != nil { // a record holds whole frames (device-quirks D2)
		size = min(size, c.records.RecordSize())
	}
	if all := ends[len(ends)-1] - Headroom; size <= fewSize || all+len(ends)*headerSize(all) <= fewSize {
		out := fewPool.Get().(*fewBuf)
		defer fewPool.Put(out)
		return c.gather(out[:min(size, fewSize)], buf, ends)
	}
	out := gatherPool.Get().(*gatherBuf)
	defer gatherPool.Put(out)
	return c.gather(out[:size], buf, ends)
}

// gather sends the runs through out, as many at a time as fit.
func (c *Conn) gather(out, buf []byte, ends []int) error {
	most := min(gatherMax, c.maxFrame, len(out)-headerSize(len(out))) // a longer payload is alone in its write
	used, start := 0, Headroom
	for _, end := range ends {
		n := end - start
		if (n > most || used+headerSize(n)+n > len(out)) && n > 0 {
			if err := c.writeFollowed(out[:used]); err != nil {
				return err
			}
			used = 0
		}
		switch {
		case n > most:
			if err := c.writeInPlace(buf, start, end); err != nil {
				return err
			}
		case n > 0:
			used += putHeader(out[used:], opBinary, n)
			used += copy(out[used:], buf[start:end])
		}
		start = end
	}
	return c.writeRaw(out[:used])
}

// writeFollowed is writeRaw where another write follows at once.
func (c *Conn) writeFollowed(b []byte) error {
	if c.records == nil || len(b) == 0 {
		return c.writeRaw(b)
	}
	c.progress.Add(1)
	_, c.broken = c.records.WriteMore(b)
	c.progress.Add(1)
	return c.broken
}

// writeInPlace sends buf[start:end] with each frame's header written over the bytes in front of it, which are no longer needed.
func (c *Conn) writeInPlace(buf []byte, start, end int) error {
	for start < end {
		n := min(end-start, c.maxFrame)
		at := start - headerSize(n)
		putHeader(buf[at:], opBinary, n)
		if err := c.writeRaw(buf[at : start+n]); err != nil {
			return err
		}
		start += n
	}
	return nil
}

// writeRaw writes b: in one call, where the system can tell how much of it the device has taken while the call waits. The caller holds wmu.
func (c *Conn) writeRaw(b []byte) error {
	for n := 0; len(b) > 0; b = b[n:] {
		n = min(len(b), writePiece)
		c.progress.Add(1)
		_, err := c.nc.Write(b[:n])
		c.progress.Add(1)
		if c.broken = err; err != nil {
			return err
		}
	}
	return nil
}

// Write sends p as one binary frame, or as several if it is longer than the largest frame. It copies p;
// [Conn.WriteFrames] does not.
func (c *Conn) Write(p []byte) (int, error) {
	buf := make([]byte, Headroom+len(p))
	copy(buf[Headroom:], p)
	if err := c.WriteFrames(buf, []int{len(buf)}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unlockWriter gives up wmu and sends the pong that the reader could not send meanwhile.
func (c *Conn) unlockWriter() {
	for {
		c.sendPong()
		c.wmu.Unlock()
		if !c.pongWaiting.Load() || !c.wmu.TryLock() {
			return
		}
	}
}

// answerPing sends a pong now, or leaves it to the goroutine that is writing: a device that pings and does not read must
// not stop its own uplink. Only the latest ping is answered (RFC 6455 section 5.5.3).
func (c *Conn) answerPing(payload []byte) {
	c.pongMu.Lock()
	c.pong = append(c.pong[:0], bitFIN|byte(opPong), byte(len(payload)))
	c.pong = append(c.pong, payload...)
	c.pongWaiting.Store(true)
	c.pongMu.Unlock()
	if c.wmu.TryLock() {
		c.unlockWriter()
	}
}

// sendPong sends the waiting pong, if there is one. The caller holds wmu.
func (c *Conn) sendPong() {
	if !c.pongWaiting.Load() {
		return
	}
	c.pongMu.Lock()
	c.pong, c.pongOut = c.pongOut, c.pong
	c.pongWaiting.Store(false)
	c.pongMu.Unlock()
	if c.broken == nil && !c.closeSent {
		_ = c.writeRaw(c.pongOut) // kept in broken, and the reader will hear of it too
	}
}

// Ping sends a ping whose payload is never empty: Zephyr takes an empty one for the end (device-quirks D6). While another
// write is under way there is no need for one, and Ping returns at once.
func (c *Conn) Ping() error {
	if !c.wmu.TryLock() {
		return nil
	}
	defer c.unlockWriter()
	if c.broken != nil || c.closeSent {
		return net.ErrClosed
	}
	return c.writeRaw(pingFrame)
}

var pingFrame = []byte{bitFIN | byte(opPing), 4, 'p', 'i', 'n', 'g'}

// sendClose sends a close frame unless one was sent or the stream is broken.
func (c *Conn) sendClose(code int, text string) {
	c.wmu.Lock()
	defer c.unlockWriter()
	if c.broken != nil || c.closeSent {
		return
	}
	c.closeSent = true
	_ = c.writeRaw(appendClose(make([]byte, 0, 2+maxControl), code, text)) // the connection ends either way
}

const (
	lingerBytes = 256 << 10 // how much a device may still send after our close frame
	lingerSmall = 512       // bytes of a read while the device says little
)

// CloseWith sends a close frame with the code and text, waits up to wait for the device to close, and closes the connection.
// Without the wait, bytes still under way from the device would make the kernel reset the connection and the close
// frame could be lost. Sending counts towards it too: without a wait above zero no frame is sent. It must be called by the
// goroutine that reads, or when none reads any more. Text longer than 123 bytes is cut.
func (c *Conn) CloseWith(code int, text string, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	_ = c.nc.SetDeadline(deadline) // also frees a writer that is stuck, so that the lock can be had
	c.sendClose(code, text)
	if !c.dec.closed && !c.isBroken() && c.closeWrite() == nil {
		c.linger()
	}
	return c.Close()
}

// linger reads until the device closes, the deadline passes, or it has sent too much.
func (c *Conn) linger() {
	var small [lingerSmall]byte
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(small[:])
		total += n
		if err == nil && n == len(small) {
			n, err = c.lingerMuch()
			total += n
		}
		if err != nil {
			return
		}
	}
}

// lingerMuch reads once with a large buffer. Most devices have nothing more to say, and need none.
func (c *Conn) lingerMuch() (int, error) {
	large := gatherPool.Get().(*gatherBuf)
	defer gatherPool.Put(large)
	return c.nc.Read(large[:])
}

// closeWrite ends our direction of the connection.
func (c *Conn) closeWrite() error {
	if h, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return net.ErrClosed
}

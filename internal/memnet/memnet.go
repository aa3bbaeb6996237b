// Package memnet is a network in memory for tests: connections with a buffer each way, half-closes, resets and deadlines,
// as TCP has them. Everything that waits does so in a way that testing/synctest understands.
package memnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// ErrReset is what both ends see after [Conn.Reset].
var ErrReset = errors.New("connection reset by peer")

// Conn is one end of a connection. It is safe for concurrent use, as a net.Conn is.
type Conn struct {
	in, out *queue
	name    string
	peer    string
}

// Pipe returns the two ends of a connection that holds up to size bytes each way.
func Pipe(size int) (a, b *Conn) {
	x, y := newQueue(size), newQueue(size)
	return &Conn{in: x, out: y, name: "a", peer: "b"}, &Conn{in: y, out: x, name: "b", peer: "a"}
}

// Read waits for bytes, the peer's end of writing, or the deadline.
func (c *Conn) Read(p []byte) (int, error) { return c.in.read(p) }

// Write waits until all of p is in the buffer.
func (c *Conn) Write(p []byte) (int, error) { return c.out.write(p) }

// CloseWrite tells the peer that nothing follows.
func (c *Conn) CloseWrite() error { return c.out.finish() }

// Close ends both directions. What the peer has not read yet it still can, unless there are bytes here that nobody read: then
// the peer sees a reset and loses what is under way, as TCP would have it.
func (c *Conn) Close() error {
	if unread := c.in.abandon(); unread {
		c.out.reset()
	}
	_ = c.out.finish()
	return nil
}

// Reset ends both directions at once and forgets what is under way.
func (c *Conn) Reset() {
	c.in.reset()
	c.out.reset()
}

// Buffered is how many bytes wait for the peer.
func (c *Conn) Buffered() int {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return len(c.out.buf)
}

// LocalAddr returns a name.
func (c *Conn) LocalAddr() net.Addr { return addr(c.name) }

// RemoteAddr returns the peer's name.
func (c *Conn) RemoteAddr() net.Addr { return addr(c.peer) }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the deadline of Read.
func (c *Conn) SetReadDeadline(t time.Time) error { c.in.readers.set(c.in, t); return nil }

// SetWriteDeadline sets the deadline of Write.
func (c *Conn) SetWriteDeadline(t time.Time) error { c.out.writers.set(c.out, t); return nil }

type addr string

func (a addr) Network() string { return "memory" }
func (a addr) String() string  { return "memory:" + string(a) }

// queue is one direction.
type queue struct {
	mu      sync.Mutex
	cond    *sync.Cond
	buf     []byte
	size    int
	err     error // of the writer: what readers get after the bytes
	gone    error // of the reader: what writers get
	readers deadline
	writers deadline
}

func newQueue(size int) *queue {
	q := &queue{size: size}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue) read(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.readers.passed:
			return 0, os.ErrDeadlineExceeded
		case q.gone != nil:
			return 0, q.gone
		case len(q.buf) > 0:
			n := copy(p, q.buf)
			q.buf = q.buf[n:]
			q.cond.Broadcast()
			return n, nil
		case q.err != nil:
			return 0, q.err
		case len(p) == 0:
			return 0, nil
		}
		q.cond.Wait()
	}
}

func (q *queue) write(p []byte) (n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.writers.passed:
			return n, os.ErrDeadlineExceeded
		case q.err != nil:
			return n, net.ErrClosed
		case q.gone != nil:
			return n, ErrReset
		case len(p) == 0:
			return n, nil
		}
		if k := min(len(p), q.size-len(q.buf)); k > 0 {
			q.buf = append(q.buf, p[:k]...)
			n, p = n+k, p[k:]
			q.cond.Broadcast()
			continue
		}
		q.cond.Wait()
	}
}

// finish is called by the writer.
func (q *queue) finish() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return net.ErrClosed
	}
	q.err = io.EOF
	q.cond.Broadcast()
	return nil
}

// abandon is called by the reader. It reports whether there was something left to read.
func (q *queue) abandon() (unread bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	unread = len(q.buf) > 0
	if q.gone == nil {
		q.gone = net.ErrClosed
	}
	q.buf = nil
	q.cond.Broadcast()
	return unread
}

func (q *queue) reset() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.buf, q.err, q.gone = nil, ErrReset, ErrReset
	q.cond.Broadcast()
}

// deadline is guarded by its queue's mu.
type deadline struct {
	passed bool
	timer  *time.Timer
}

func (d *deadline) set(q *queue, t time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.timer, d.passed = nil, false
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		d.passed = true
		q.cond.Broadcast()
	default:
		var timer *time.Timer
		timer = time.AfterFunc(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if d.timer == timer {
				d.passed = true
				q.cond.Broadcast()
			}
		})
		d.timer = timer
	}
}

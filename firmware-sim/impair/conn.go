package impair

import (
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// window is how many chunks may be on their way in one direction before the sender waits.
const window = 64

// maxFlush is how long Close waits at most for bytes that are still on their way up.
const maxFlush = 30 * time.Second

// Conn is an impaired connection. Like the one it wraps it may be read and written by two goroutines at once.
type Conn struct {
	net.Conn
	spec   Spec
	closed chan struct{}
	once   sync.Once
	pumps  sync.WaitGroup
	budget atomic.Int64 // bytes left until the reset
	queued atomic.Int64 // chunks accepted by Write and not yet on the socket
	silent atomic.Bool  // half-open: nothing goes out, nothing comes in

	up   lane
	down lane

	writeMu  sync.Mutex
	writeRng *rand.Rand // guarded by writeMu
	rest     []byte     // owned by the reader: what the last chunk left
	head     chunk      // owned by the reader: taken from the lane, and not due yet when a deadline struck
	timer    *time.Timer
	patience deadline // of Read
}

// lane carries chunks that are due at a time.
type lane struct {
	chunks chan chunk
	free   time.Time    // when the last byte queued so far leaves; owned by the sender
	leaves atomic.Int64 // the same for everybody else, in Unix nanoseconds
	failed chan struct{}
	err    error // set before failed is closed
}

func (l *lane) init() { l.chunks, l.failed = make(chan chunk, window), make(chan struct{}) }

type chunk struct {
	data []byte
	due  time.Time
}

// Wrap impairs conn for its whole life and takes ownership of it; closing the result closes conn and waits for the
// pumps. The generator seeds two of its own. A zero Spec returns conn itself.
func Wrap(conn net.Conn, spec Spec, rng *rand.Rand) net.Conn {
	if spec.Zero() {
		return conn
	}
	c := &Conn{Conn: conn, spec: spec, closed: make(chan struct{}),
		writeRng: rand.New(rand.NewPCG(rng.Uint64(), 1))}
	c.budget.Store(int64(spec.Reset))
	c.up.init()
	c.down.init()
	if tcp, ok := conn.(*net.TCPConn); ok && spec.SlowRead > 0 {
		_ = tcp.SetReadBuffer(4096)
	}
	if spec.HalfOpen > 0 && rng.Float64() < spec.HalfOpen {
		c.timer = time.AfterFunc(time.Duration(rng.Int64N(int64(spec.HalfAfter)))+1, func() { c.silent.Store(true) })
	}
	readRng := rand.New(rand.NewPCG(rng.Uint64(), 2))
	c.pumps.Go(c.pumpUp)
	c.pumps.Go(func() { c.pumpDown(readRng) })
	return c
}

// Write queues b for its time and returns when there is room. A stall splits b: half now, half after the pause, which
// puts the pause inside a frame whenever b holds one.
func (c *Conn) Write(b []byte) (int, error) {
	c.writeMu.Lock()
	defer c.writeMu.Unlock()
	parts := [][]byte{b}
	var pause time.Duration
	if c.spec.StallP > 0 && len(b) > 1 && c.writeRng.Float64() < c.spec.StallP {
		parts, pause = [][]byte{b[:len(b)/2], b[len(b)/2:]}, c.spec.Stall
	}
	for i, part := range parts {
		if i > 0 {
			c.up.free = later(c.up.free, time.Now()).Add(pause)
		}
		item := chunk{data: append([]byte(nil), part...), due: c.up.schedule(c.spec, len(part), c.writeRng)}
		select {
		case c.up.chunks <- item:
			c.queued.Add(1)
		case <-c.up.failed:
			return 0, c.up.err
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	return len(b), nil
}

// schedule returns when n bytes given now arrive: behind all earlier ones, never before.
func (l *lane) schedule(s Spec, n int, rng *rand.Rand) time.Time {
	due := later(time.Now().Add(s.delay(n, rng)), l.free)
	if s.Bandwidth > 0 && l.free.After(time.Now()) {
		due = later(due, l.free.Add(pass(n, s.Bandwidth)))
	}
	l.free = due
	l.leaves.Store(due.UnixNano())
	return due
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (c *Conn) pumpUp() {
	for {
		select {
		case item := <-c.up.chunks:
			if !c.wait(item.due) {
				return
			}
			if !c.silent.Load() {
				if _, err := c.Conn.Write(item.data); err != nil {
					c.up.fail(err)
					return
				}
				c.spend(len(item.data))
			}
			c.queued.Add(-1)
		case <-c.closed:
			return
		}
	}
}

func (c *Conn) pumpDown(rng *rand.Rand) {
	size := 4096
	if c.spec.SlowRead > 0 {
		size = max(1, min(size, c.spec.SlowRead/10))
	}
	buf := make([]byte, size)
	for {
		n, err := c.Conn.Read(buf)
		if n > 0 && !c.silent.Load() {
			c.spend(n)
			item := chunk{data: append([]byte(nil), buf[:n]...), due: c.down.schedule(c.spec, n, rng)}
			select {
			case c.down.chunks <- item:
			case <-c.closed:
				return
			}
		}
		if err != nil {
			if c.silent.Load() {
				return // a half-open peer never tells; the device finds out by itself
			}
			c.down.fail(err)
			return
		}
		if c.spec.SlowRead > 0 && !c.wait(time.Now().Add(pass(n, c.spec.SlowRead))) {
			return
		}
	}
}

// Read returns the next bytes whose time has come, or os.ErrDeadlineExceeded when the read deadline comes first. No byte is
// lost by that.
func (c *Conn) Read(b []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.head.data == nil {
			item, err := c.arrival()
			if err != nil {
				return 0, err
			}
			c.head = item
		}
		if err := c.ripen(c.head.due); err != nil {
			return 0, err
		}
		c.rest, c.head = c.head.data, chunk{}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// arrival takes the next chunk off the lane; those that came before the connection failed come first.
func (c *Conn) arrival() (chunk, error) {
	select {
	case item := <-c.down.chunks:
		return item, nil
	case <-c.closed:
		return chunk{}, net.ErrClosed
	case <-c.patience.passed():
		return chunk{}, os.ErrDeadlineExceeded
	case <-c.down.failed:
	}
	select {
	case item := <-c.down.chunks:
		return item, nil
	default:
		return chunk{}, c.down.err
	}
}

// ripen waits until a chunk is due.
func (c *Conn) ripen(due time.Time) error {
	d := time.Until(due)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.patience.passed():
		return os.ErrDeadlineExceeded
	case <-c.closed:
		return net.ErrClosed
	}
}

func (c *Conn) wait(until time.Time) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.closed:
		return false
	}
}

func (l *lane) fail(err error) {
	l.err = err
	close(l.failed)
}

func (c *Conn) spend(n int) {
	if c.spec.Reset > 0 && c.budget.Add(-int64(n)) <= 0 {
		Cut(c.Conn)
	}
}

// SetReadDeadline is that of net.Conn; it holds for bytes that are late because of the line, too.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.patience.set(t)
	return nil
}

// SetDeadline sets the read deadline; see SetWriteDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a write waits until the impaired line has room or is closed.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

// Close closes the connection, drops what is still on its way and waits for the pumps.
func (c *Conn) Close() error {
	var err error
	c.once.Do(func() {
		c.flush()
		close(c.closed)
		if c.timer != nil {
			c.timer.Stop()
		}
		err = c.Conn.Close()
	})
	c.pumps.Wait()
	return err
}

// flush lets a farewell (DISCONNECT, CLOSE) leave before the socket closes, for as long as the line needs, up to maxFlush.
func (c *Conn) flush() {
	now := time.Now()
	needs := max(0, time.Unix(0, c.up.leaves.Load()).Sub(now)) + time.Second
	deadline := now.Add(min(needs, maxFlush))
	for c.queued.Load() > 0 && time.Now().Before(deadline) && !c.silent.Load() {
		select {
		case <-c.up.failed:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Cut resets a connection: no FIN, no close frame, as a power loss or a NAT timeout does.
func Cut(conn net.Conn) {
	type lingerer interface{ SetLinger(int) error }
	type wrapper interface{ NetConn() net.Conn }
	inner := conn
	for {
		if w, ok := inner.(*Conn); ok {
			inner = w.Conn
			continue
		}
		w, ok := inner.(wrapper)
		if !ok {
			break
		}
		inner = w.NetConn()
	}
	if l, ok := inner.(lingerer); ok {
		_ = l.SetLinger(0)
	}
	_ = inner.Close()
}

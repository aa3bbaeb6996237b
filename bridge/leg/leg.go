package leg

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"mqtt-ws-bridge/mqttio"
)

// Conn is the connection of an end. If it has a method CloseWrite, that ends the direction to the peer.
type Conn interface {
	io.Reader
	// WriteFrames writes packets, or parts of one, one frame each where the connection has frames: the first begins at buf[mqttio.Headroom],
	// and each of ends is where one ends. The bytes of buf are scratch afterwards, as are those before the first.
	WriteFrames(buf []byte, ends []int) error
	// WriteProgress changes with every write that begins or ends, and is odd while one is under way.
	WriteProgress() uint32
}

// Memory counts what waits for an end.
type Memory interface {
	// Remember counts n bytes; below 0, that they are free again. It reports whether there was room.
	Remember(n int64) bool
}

// What [Leg.Say] returns.
var (
	ErrTooLarge = errors.New("packet larger than the peer takes")
	ErrFull     = errors.New("too many packets wait for the peer")
	ErrNoMemory = errors.New("no memory for a packet that waits for the peer")
)

// Leg is one end of a session. Read is called by one goroutine at a time, and so are the methods that pass packets on: Write, Pass and
// Last. The others are safe for concurrent use.
type Leg struct {
	conn   Conn
	memory Memory // nil: nobody counts

	read atomic.Uint64
	most atomic.Uint32 // bytes of a packet that the peer takes; 0: any
	open atomic.Bool

	// Owned by who passes packets on.
	passed Counts // acknowledgements that went by
	last   bool   // nothing follows the next write
	opens  func() // called with the next write, which opens the leg; nil: it does not

	told   [kinds]atomic.Uint64 // of passed, those that were written
	queued atomic.Int32         // packets in own

	mu   sync.Mutex // held across writes: it keeps packets whole
	part bool       // the peer has a part of a long packet; guarded by mu
	over bool       // nothing may be written any more; guarded by mu

	queueMu sync.Mutex // never held across a write
	own     *queue     // nil: nothing waits; guarded by queueMu
}

// Init sets the connection, before anything else is called and before another goroutine knows the leg. memory may be nil.
func (l *Leg) Init(conn Conn, memory Memory) { l.conn, l.memory = conn, memory }

// Read reads bytes of the peer and counts them.
func (l *Leg) Read(b []byte) (int, error) {
	n, err := l.conn.Read(b)
	l.read.Add(uint64(n))
	return n, err
}

// Bytes returns how many bytes were read.
func (l *Leg) Bytes() uint64 { return l.read.Load() }

// Progress changes with every write that begins or ends, and is odd while one is under way. It is 0 while there is no connection.
func (l *Leg) Progress() uint32 {
	if l.conn == nil {
		return 0
	}
	return l.conn.WriteProgress()
}

// SetMost says how large a packet of the bridge's own may be, in bytes; 0: any [MQTT-3.1.2-24] [MQTT-3.2.2-15].
func (l *Leg) SetMost(bytes uint32) { l.most.Store(bytes) }

// Takes reports whether the peer takes a packet of the bridge's own, which begins after Headroom bytes.
func (l *Leg) Takes(buf []byte) bool {
	most := l.most.Load()
	return most == 0 || uint64(len(buf)-mqttio.Headroom) <= uint64(most)
}

// Open lets the bridge's own packets go: the peer has had what must come before any other packet. It writes those that wait, as Flush
// does where it waits.
func (l *Leg) Open() error {
	l.open.Store(true)
	return l.Flush(true)
}

// Opens has what is written next open the leg. f is called when that was written and before anything else can be, so that what it changes is
// known to a [Leg.Farewell] that waited.
func (l *Leg) Opens(f func()) { l.opens = f }

// Pass notes that a packet of this type is among those that are written next.
func (l *Leg) Pass(t mqttio.Type) {
	switch t {
	case mqttio.TypePuback:
		l.passed[Puback]++
	case mqttio.TypePubrec:
		l.passed[Pubrec]++
	}
}

// Last says that nothing may follow what is written next [MQTT-3.14.4-2].
func (l *Leg) Last() { l.last = true }

// Write passes packets of the other end on, as [Conn].WriteFrames has them. part says that the last of them is not over. Behind it go the
// packets of the bridge's own that may go then.
func (l *Leg) Write(buf []byte, ends []int, part bool) error {
	if err := l.write(buf, ends, part); err != nil {
		return err
	}
	for k := range l.passed {
		if l.told[k].Load() != l.passed[k] {
			l.told[k].Store(l.passed[k])
		}
	}
	return l.Flush(true) // without waiting, what is told now would be forgotten where Quiet is under way
}

func (l *Leg) write(buf []byte, ends []int, part bool) error {
	l.mu.Lock()
	defer l.mu.Unlock() // also after a panic of the connection
	if l.over {
		return net.ErrClosed
	}
	l.part, l.over = part, l.last
	if err := l.conn.WriteFrames(buf, ends); err != nil {
		l.over = true // the peer may have a part of what was written
		return err
	}
	if l.opens != nil {
		l.opens()
		l.opens = nil
		l.open.Store(true)
	}
	return nil
}

// Farewell writes a last packet of the bridge's own, which begins after Headroom bytes, unless the peer has a part of another. Nothing is
// written after it. It waits for a write that is under way, and calls packet after that: what is said last may depend on what the peer
// has had. Without a packet it only says that nothing may be written any more.
func (l *Leg) Farewell(packet func() []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	l.over = true
	if l.part {
		return nil
	}
	buf := packet()
	if len(buf) <= mqttio.Headroom {
		return nil
	}
	return l.conn.WriteFrames(buf, []int{len(buf)})
}

// Quiet calls f between two writes, unless one is under way; nothing is written meanwhile. part says that the peer has a part of a long packet.
// It reports whether f was called. It does not flush: an end that is used so is one where every Flush waits.
func (l *Leg) Quiet(f func(part bool)) bool {
	if !l.mu.TryLock() {
		return false
	}
	defer l.mu.Unlock()
	f(l.part)
	return true
}

// CloseWrite ends the direction to the peer, which can still be read from. The error says that the connection cannot do that.
func (l *Leg) CloseWrite() error {
	if h, ok := l.conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}

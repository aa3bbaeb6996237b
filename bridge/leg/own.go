package leg

import (
	"unsafe"

	"mqtt-ws-bridge/mqttio"
)

// Kind is a kind of acknowledgement. Those of one kind have an order among themselves [MQTT-4.6.0-2] [MQTT-4.6.0-3].
type Kind uint8

// The kinds.
const (
	Puback Kind = iota
	Pubrec
	kinds
)

// Counts counts acknowledgements, or the messages that get them.
type Counts [kinds]uint64

// KindOf is the kind of acknowledgement that a message of QoS 1 or 2 gets first.
func KindOf(qos byte) Kind { return Kind(qos - 1) }

// NewPacket is what a packet of the bridge's own is appended to.
func NewPacket() []byte { return make([]byte, mqttio.Headroom, mqttio.Headroom+16) }

const (
	// maxQueue is how many bytes wait for one end.
	maxQueue = 64 << 10
	// uncounted is how many of them are part of what every session has.
	uncounted = 512
)

// queue is the bridge's own packets for one end that have not been written.
type queue struct {
	buf     []byte // at least Headroom, then the packets; those before at are gone
	at      int
	marks   []mark
	counted int64 // what Memory has counted
}

// mark is where a packet ends, and how many acknowledgements of its kind from the other end come before it.
type mark struct {
	end   int
	kind  Kind
	after uint64
}

// Say has a packet of the bridge's own written, which begins after Headroom bytes, behind those that were said before and behind the first
// `after` acknowledgements of its kind from the other end. It does not wait and writes nothing: see Flush.
func (l *Leg) Say(buf []byte, kind Kind, after uint64) error {
	if !l.Takes(buf) {
		return ErrTooLarge
	}
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	if l.own == nil {
		l.own = &queue{buf: NewPacket(), at: mqttio.Headroom}
	}
	if !l.own.add(buf, kind, after) {
		return ErrFull
	}
	if !l.count() {
		return ErrNoMemory
	}
	l.queued.Store(int32(len(l.own.marks)))
	return nil
}

// Flush writes the bridge's own packets that may go now. If somebody is writing, wait says whether to wait for that; without it they go behind
// what is being written.
func (l *Leg) Flush(wait bool) error {
	for l.ready() {
		if wait {
			l.mu.Lock()
		} else if !l.mu.TryLock() {
			return nil // who writes looks once more when it has
		}
		if goes, err := l.writeOwn(); err != nil || !goes {
			return err
		}
	}
	return nil
}

// writeOwn writes what may go of the queue, and unlocks mu. It reports whether anything may go now.
func (l *Leg) writeOwn() (goes bool, err error) {
	defer l.mu.Unlock()
	if l.part || l.over {
		return false, nil
	}
	if buf, ends := l.take(); len(ends) > 0 {
		if err = l.conn.WriteFrames(buf, ends); err != nil {
			l.over = true // the peer may have a part of what was written
		}
	}
	return true, err
}

// ready reports whether there is a packet of the bridge's own that may go.
func (l *Leg) ready() bool {
	if l.queued.Load() == 0 || !l.open.Load() {
		return false
	}
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	return l.own != nil && l.own.ready(l)
}

// take takes the packets that may go out of the queue.
func (l *Leg) take() (buf []byte, ends []int) {
	l.queueMu.Lock()
	defer l.queueMu.Unlock()
	q := l.own
	if q == nil {
		return nil, nil
	}
	start := q.at - mqttio.Headroom // what was there is gone
	for q.ready(l) {
		q.at = q.marks[0].end
		ends = append(ends, q.at-start)
		q.marks = q.marks[1:]
	}
	buf = q.buf[start:q.at]
	if len(q.marks) == 0 {
		l.uncount()
		l.own = nil
	} else {
		buf = append([]byte(nil), buf...) // more may be said while it is written
		l.count()
	}
	l.queued.Store(int32(len(q.marks)))
	return buf, ends
}

func (q *queue) ready(l *Leg) bool {
	return len(q.marks) > 0 && l.told[q.marks[0].kind].Load() >= q.marks[0].after
}

// add appends a packet. It reports whether there was room.
func (q *queue) add(buf []byte, kind Kind, after uint64) bool {
	if gone := q.at - mqttio.Headroom; gone > len(q.buf)/2 {
		q.buf = append(q.buf[:mqttio.Headroom], q.buf[q.at:]...)
		q.at = mqttio.Headroom
		for i := range q.marks {
			q.marks[i].end -= gone
		}
	}
	if len(q.buf)+len(buf) > maxQueue {
		return false
	}
	q.buf = append(q.buf, buf[mqttio.Headroom:]...)
	q.marks = append(q.marks, mark{len(q.buf), kind, after})
	return true
}

// count has the memory count what waits. It reports whether there was room. The caller holds queueMu.
func (l *Leg) count() bool {
	n := max(0, int64(cap(l.own.buf)+cap(l.own.marks)*int(unsafe.Sizeof(mark{})))-uncounted)
	if n == l.own.counted || l.memory == nil {
		return true
	}
	if !l.memory.Remember(n - l.own.counted) {
		return false
	}
	l.own.counted = n
	return true
}

// uncount gives back all that was counted. The caller holds queueMu.
func (l *Leg) uncount() {
	if l.own.counted > 0 {
		l.memory.Remember(-l.own.counted)
	}
}

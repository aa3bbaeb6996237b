// Package verify keeps the books of a run: what every device sent, what the witness received, and from the difference
// what was lost, doubled, out of order and how late. It is told of events and asked for a Report; it touches no network.
package verify

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// window is how many unsettled messages a device may have before the oldest ones are counted as they stand.
const window = 1 << 16

// Ledger counts messages per device. All methods are safe for concurrent use.
type Ledger struct {
	shards []account

	mu      sync.Mutex
	latency [3]*hdrhistogram.Histogram // nanoseconds per QoS, guarded by mu
	foreign int64                      // messages of unknown devices or never sent, guarded by mu
	behind  []Reorder                  // the first maxBehind, guarded by mu
	moved   atomic.Int64               // when a message arrived or was acknowledged last, in Unix nanoseconds
}

// account is one device's page.
type account struct {
	mu      sync.Mutex
	base    uint64 // seq of entries[0]
	entries []entry
	newest  [3]uint64 // highest sequence received per QoS
	totals  [3]Totals
	lost    []Range // of entries that have left the window
}

// entry is one message's history, four bytes of it.
type entry struct {
	qos, sent, got uint8
	acked          bool
	held           bool // the device still had it at the end
}

// Totals are the counts for one QoS.
type Totals struct {
	Sent     int64 `json:"sent"`
	Resent   int64 `json:"resent"`
	Received int64 `json:"received"`
	Acked    int64 `json:"acked"`
	// Lost never arrived. LostAcked is the part of it that the broker had acknowledged: somebody broke a promise.
	Lost      int64 `json:"lost"`
	LostAcked int64 `json:"lost_acked"`
	// Doubles arrived more often than they were sent. Redelivered arrived again after an honest resend.
	Doubles     int64 `json:"doubled"`
	Redelivered int64 `json:"redelivered"`
	Reordered   int64 `json:"reordered"`
	// Unfinished did not arrive, but the device still had it at the end and would have sent it again. Unacknowledged arrived,
	// and the device had it all the same.
	Unfinished     int64 `json:"unfinished"`
	Unacknowledged int64 `json:"unacknowledged"`
}

func (t *Totals) add(o Totals) {
	t.Sent += o.Sent
	t.Resent += o.Resent
	t.Received += o.Received
	t.Acked += o.Acked
	t.Lost += o.Lost
	t.LostAcked += o.LostAcked
	t.Doubles += o.Doubles
	t.Redelivered += o.Redelivered
	t.Reordered += o.Reordered
	t.Unfinished += o.Unfinished
	t.Unacknowledged += o.Unacknowledged
}

// Range is a run of consecutive lost sequence numbers of one QoS.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	QoS   uint8  `json:"qos"`
	// Acked means that the broker had acknowledged them.
	Acked bool `json:"acked,omitempty"`
	// Held means that the device still held them at the end: unfinished, not lost.
	Held bool `json:"unfinished,omitempty"`
}

// NewLedger opens the books for devices 0 to n-1.
func NewLedger(n int) *Ledger {
	l := &Ledger{shards: make([]account, n)}
	for i := range l.latency {
		l.latency[i] = hdrhistogram.New(1000, int64(time.Hour), 3)
	}
	return l
}

// Sent books a message just before it is written and returns its number, counted from 1.
func (l *Ledger) Sent(device int, qos byte) uint64 {
	a := &l.shards[device]
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.base == 0 {
		a.base = 1
	}
	a.settle()
	if len(a.entries) >= window {
		a.fold(1)
	}
	a.entries = append(a.entries, entry{qos: qos, sent: 1})
	a.totals[qos].Sent++
	return a.base + uint64(len(a.entries)) - 1
}

// settle lets go of messages at the front about which everything is known.
func (a *account) settle() {
	n := 0
	for n < len(a.entries) && a.entries[n].settled() {
		n++
	}
	if n > 64 || n == len(a.entries) {
		a.fold(n)
	}
}

func (e entry) settled() bool { return e.got >= e.sent && (e.acked || e.qos == 0) }

// fold moves the first n entries into the totals.
func (a *account) fold(n int) {
	for i, e := range a.entries[:n] {
		if e.got == 0 {
			a.lost = appendLost(a.lost, a.base+uint64(i), e)
		}
	}
	a.entries = append(a.entries[:0], a.entries[n:]...)
	if len(a.entries) == 0 {
		a.entries = nil
	}
	a.base += uint64(n)
}

func appendLost(ranges []Range, seq uint64, e entry) []Range {
	if n := len(ranges); n > 0 {
		if r := &ranges[n-1]; r.Last+1 == seq && r.QoS == e.qos && r.Acked == e.acked && r.Held == e.held {
			r.Last = seq
			return ranges
		}
	}
	return append(ranges, Range{First: seq, Last: seq, QoS: e.qos, Acked: e.acked, Held: e.held})
}

func (a *account) entry(seq uint64) *entry {
	if i := seq - a.base; seq >= a.base && i < uint64(len(a.entries)) {
		return &a.entries[i]
	}
	return nil
}

// Resent books that a message was sent once more.
func (l *Ledger) Resent(device int, seq uint64) {
	a := &l.shards[device]
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.entry(seq); e != nil {
		if e.sent < 255 {
			e.sent++
		}
		a.totals[e.qos].Resent++
	}
}

// Acked books that the broker took responsibility for a message.
func (l *Ledger) Acked(device int, seq uint64) {
	a := &l.shards[device]
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.entry(seq); e != nil && !e.acked {
		e.acked = true
		a.totals[e.qos].Acked++
		l.moved.Store(time.Now().UnixNano())
	}
}

// Unfinished books that the run ended while the device still held a message.
func (l *Ledger) Unfinished(device int, seq uint64) {
	a := &l.shards[device]
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(seq)
	if e == nil || e.acked || e.held {
		return
	}
	e.held = true
	if e.got > 0 {
		a.totals[e.qos].Unacknowledged++
	}
}

// Received books an arrival; qos and dup are the delivery's.
func (l *Ledger) Received(device int, seq uint64, qos byte, dup bool, sentAt, now time.Time) {
	if device < 0 || device >= len(l.shards) {
		l.Foreign()
		return
	}
	l.moved.Store(now.UnixNano())
	first, known, after := l.shards[device].arrive(seq, &qos, dup && qos == 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !known {
		l.foreign++
		return
	}
	if after > 0 && len(l.behind) < maxBehind {
		l.behind = append(l.behind, Reorder{Device: device, QoS: qos, Seq: seq, After: after})
	}
	if first {
		_ = l.latency[qos].RecordValue(max(1000, int64(now.Sub(sentAt))))
	}
}

// Foreign books a message that could not be read as one of this run's.
func (l *Ledger) Foreign() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.foreign++
}

// arrive corrects qos to what the message was sent with, as far as that is still known. after is the later message that was
// there before, 0 for none. again says that the endpoint calls it a repetition and may repeat: at QoS 1 to a subscriber that was cut
// off before it had acknowledged.
func (a *account) arrive(seq uint64, qos *byte, again bool) (first, known bool, after uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.entry(seq)
	if e == nil {
		// Behind the window everything is settled: whatever comes now comes once more.
		if seq > 0 && seq < a.base {
			if again {
				a.totals[*qos].Redelivered++
			} else {
				a.totals[*qos].Doubles++
			}
			return false, true, 0
		}
		return false, false, 0
	}
	*qos = e.qos
	t := &a.totals[e.qos]
	if e.got < 255 {
		e.got++
	}
	switch {
	case e.got == 1:
		t.Received++
		if seq < a.newest[e.qos] {
			t.Reordered++
			after = a.newest[e.qos]
		} else {
			a.newest[e.qos] = seq
		}
	case e.got > e.sent && !again:
		t.Doubles++
	default:
		t.Redelivered++
	}
	return e.got == 1, true, after
}

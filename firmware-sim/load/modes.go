package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"mqtt-ws-bridge/firmware-sim/packet"
)

// payload makes a body of the size asked for.
func (r *runner) payload(d *conn) []byte {
	b := make([]byte, r.config.Size)
	for i := range b {
		b[i] = byte(d.rng.Uint32())
	}
	return b
}

// up writes QoS 0 messages until the time or the number is up, then proves with a PINGREQ that all were taken.
func (r *runner) up(d *conn, flood bool) error {
	topic := d.topic
	if flood {
		topic = r.config.Topic + "/flood"
	}
	body := r.payload(d)
	var batch []byte
	var ends []int
	for range r.config.Batch {
		batch = d.frame(batch, packet.V311.Publish(packet.Message{Topic: topic, Payload: body}))
		ends = append(ends, len(batch))
	}
	if flood {
		defer r.flooding.Add(-1)
		defer func() { r.flooded.Add(d.sent) }()
	}
	pace := r.pacer(flood)
	for !r.stop.Load() {
		n := len(ends)
		if r.config.Messages > 0 {
			n = min(n, r.config.Messages-int(d.sent))
			if n == 0 {
				break
			}
		}
		n = pace(d.sent, n)
		if n == 0 {
			continue
		}
		_ = d.SetWriteDeadline(time.Now().Add(r.config.Timeout))
		written, err := d.Write(batch[:ends[n-1]])
		d.bytesUp += int64(written)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		d.sent += int64(n)
	}
	return r.flush(d)
}

// pacer returns a function that says how many of n messages may go now, waiting up to a few milliseconds when none may.
func (r *runner) pacer(flood bool) func(sent int64, n int) int {
	senders := len(r.devices)
	if flood {
		senders = len(r.flood)
	}
	if r.config.Rate <= 0 {
		return func(_ int64, n int) int { return n }
	}
	each := r.config.Rate / float64(senders)
	begin := time.Now()
	return func(sent int64, n int) int {
		due := int64(time.Since(begin).Seconds()*each) - sent
		if due <= 0 {
			time.Sleep(min(5*time.Millisecond, time.Duration(float64(time.Second)/each)))
			return 0
		}
		return min(n, int(due))
	}
}

// flush sends a PINGREQ behind everything and waits for the answer.
func (r *runner) flush(d *conn) error {
	before := d.scan.counts[packet.PINGRESP]
	_ = d.SetDeadline(time.Now().Add(3 * r.config.Timeout))
	if _, err := d.Write(d.frame(nil, packet.Pingreq())); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	if err := d.until(func() bool { return d.scan.counts[packet.PINGRESP] > before }); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	d.flushed = true
	return nil
}

// down reads and counts: until the time is over where somebody else floods, until all that our own publishers sent is
// here, or nothing has come for the timeout. With Messages, and somebody else's flood, that many are all.
func (r *runner) down(d *conn) error {
	last := time.Now()
	for {
		if most := r.config.Messages; most > 0 && r.config.Flood == 0 && d.scan.counts[packet.PUBLISH] >= int64(most) {
			d.flushed = true
			return nil
		}
		_ = d.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		before := d.scan.bytes
		if err := d.read(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("receive: %w", err)
		}
		if d.scan.bytes != before {
			last = time.Now()
		}
		if r.dried(d.scan.counts[packet.PUBLISH], time.Since(last)) {
			d.flushed = true
			return nil
		}
	}
}

// dried reports whether a device has nothing more to wait for.
func (r *runner) dried(received int64, quiet time.Duration) bool {
	switch {
	case !r.stop.Load():
		return false
	case r.config.Flood == 0:
		return true
	}
	return r.flooding.Load() == 0 && received >= r.flooded.Load() || quiet > r.config.Timeout
}

// closedLoop keeps Window messages under way: each answer (PUBACK, or the message itself come back) sends the next.
func (r *runner) closedLoop(d *conn) error {
	acks := r.config.Mode == Ack
	d.scan.gather = acks
	frames := make([][]byte, r.config.Window)
	body := r.payload(d)
	for i := range frames {
		m := packet.Message{Topic: d.topic, Payload: body}
		if acks {
			m.QoS, m.ID = 1, uint16(i+1)
		}
		frames[i] = d.frame(nil, packet.V311.Publish(m))
	}
	loop := &closed{r: r, d: d, frames: frames, at: make([]time.Time, len(frames)),
		latency: hdrhistogram.New(100, int64(time.Minute), 3)}
	err := loop.run(acks)
	r.mu.Lock()
	r.latency.Merge(loop.latency)
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("closed loop: %w", err)
	}
	d.flushed = true
	return nil
}

// closed is one device's closed loop.
type closed struct {
	r       *runner
	d       *conn
	frames  [][]byte
	at      []time.Time // when the message in each slot was sent
	oldest  int         // slot that the next message come back belongs to
	out     []byte
	latency *hdrhistogram.Histogram
}

func (l *closed) run(acks bool) error {
	slots := make([]int, len(l.frames))
	for i := range slots {
		slots[i] = i
	}
	underWay, seen := 0, l.d.scan.counts[packet.PUBLISH]
	for {
		sent, err := l.send(slots)
		if err != nil {
			return err
		}
		underWay += sent
		if underWay == 0 {
			return nil
		}
		_ = l.d.SetReadDeadline(time.Now().Add(l.r.config.Timeout))
		if err := l.d.read(); err != nil {
			return err
		}
		now := time.Now()
		slots = slots[:0]
		if acks {
			for _, id := range l.d.scan.acked {
				if id == 0 || int(id) > len(l.frames) {
					return fmt.Errorf("PUBACK for packet %d that is not under way", id)
				}
				slots = append(slots, int(id)-1)
			}
			l.d.scan.acked = l.d.scan.acked[:0]
		} else {
			for ; seen < l.d.scan.counts[packet.PUBLISH]; seen++ {
				slots = append(slots, l.oldest)
				l.oldest = (l.oldest + 1) % len(l.frames)
			}
		}
		for _, i := range slots {
			_ = l.latency.RecordValue(int64(now.Sub(l.at[i])))
		}
		underWay -= len(slots)
	}
}

// send fills the given slots again, in one write; none when the measurement is over.
func (l *closed) send(slots []int) (int, error) {
	if l.r.stop.Load() {
		return 0, nil
	}
	if most := l.r.config.Messages; most > 0 {
		slots = slots[:min(len(slots), most-int(l.d.sent))]
	}
	if len(slots) == 0 {
		return 0, nil
	}
	l.out = l.out[:0]
	now := time.Now()
	for _, i := range slots {
		l.out = append(l.out, l.frames[i]...)
		l.at[i] = now
	}
	_ = l.d.SetWriteDeadline(now.Add(l.r.config.Timeout))
	n, err := l.d.Write(l.out)
	l.d.bytesUp += int64(n)
	l.d.sent += int64(len(slots))
	return len(slots), err
}

// reconnect connects and leaves, again and again.
func (r *runner) reconnect(ctx context.Context, index int, connects *atomic.Int64) error {
	for n := 0; ctx.Err() == nil && (r.config.Messages == 0 || n < r.config.Messages); n++ {
		begin := time.Now()
		d, err := r.connect(context.WithoutCancel(ctx), r.config.Endpoint, index)
		if err != nil {
			return err
		}
		took := time.Since(begin)
		_, _ = d.Write(d.frame(nil, packet.Disconnect()))
		_ = d.Close()
		connects.Add(1)
		r.mu.Lock()
		_ = r.latency.RecordValue(int64(took))
		r.mu.Unlock()
	}
	return nil
}

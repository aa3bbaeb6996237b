package verify

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLost is how many lost ranges a Report lists; the counts are complete in any case.
const maxLost = 10000

// maxBehind is how many reordered messages a Report lists.
const maxBehind = 10

// Reorder is a message that arrived behind a later one of the same device and QoS.
type Reorder struct {
	Device int    `json:"device"`
	QoS    uint8  `json:"qos"`
	Seq    uint64 `json:"seq"`
	After  uint64 `json:"after"` // the highest that had arrived before it
}

// Report is the state of the books.
type Report struct {
	QoS     [3]Totals  `json:"qos"`
	Latency [3]Latency `json:"latency"`
	// Foreign messages arrived on the run's topics but were not sent by its devices.
	Foreign int64 `json:"foreign"`
	// Lost lists what never arrived, per device index. Omitted is how many ranges did not fit.
	Lost    []DeviceLoss `json:"lost,omitempty"`
	Omitted int          `json:"lost_ranges_omitted,omitempty"`
	// Behind lists the first messages that were reordered; the counts are complete.
	Behind []Reorder `json:"reordered,omitempty"`
}

// DeviceLoss is what one device lost.
type DeviceLoss struct {
	Device int     `json:"device"`
	Ranges []Range `json:"ranges"`
}

// Latency is the distribution of end-to-end delays of one QoS.
type Latency struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P90   time.Duration `json:"p90_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// LatencyOf summarises a histogram of nanoseconds.
func LatencyOf(h *hdrhistogram.Histogram) Latency {
	q := func(p float64) time.Duration { return time.Duration(h.ValueAtQuantile(p)) }
	return Latency{Count: h.TotalCount(), P50: q(50), P90: q(90), P99: q(99), P999: q(99.9), Max: time.Duration(h.Max())}
}

// Missing returns how many sent messages have not arrived yet.
func (l *Ledger) Missing() int64 {
	var missing int64
	for i := range l.shards {
		a := &l.shards[i]
		a.mu.Lock()
		for _, t := range a.totals {
			missing += t.Sent - t.Received
		}
		a.mu.Unlock()
	}
	return missing
}

// LastMove is when a message arrived or was acknowledged last, long ago if none has.
func (l *Ledger) LastMove() time.Time { return time.Unix(0, l.moved.Load()) }

// Progress returns sent and received so far.
func (l *Ledger) Progress() (sent, received int64) {
	for i := range l.shards {
		a := &l.shards[i]
		a.mu.Lock()
		for _, t := range a.totals {
			sent += t.Sent
			received += t.Received
		}
		a.mu.Unlock()
	}
	return sent, received
}

// Report closes nothing: what has not arrived by now counts as lost.
func (l *Ledger) Report() Report {
	var r Report
	ranges := 0
	for i := range l.shards {
		totals, lost := l.shards[i].report()
		for q := range totals {
			r.QoS[q].add(totals[q])
		}
		if len(lost) == 0 {
			continue
		}
		if room := max(0, maxLost-ranges); len(lost) > room {
			r.Omitted += len(lost) - room
			lost = lost[:room]
		}
		ranges += len(lost)
		if len(lost) > 0 {
			r.Lost = append(r.Lost, DeviceLoss{Device: i, Ranges: lost})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Foreign = l.foreign
	r.Behind = append(r.Behind, l.behind...)
	for q, h := range l.latency {
		r.Latency[q] = LatencyOf(h)
	}
	return r
}

func (a *account) report() ([3]Totals, []Range) {
	a.mu.Lock()
	defer a.mu.Unlock()
	lost := append([]Range(nil), a.lost...)
	for i, e := range a.entries {
		if e.got == 0 {
			lost = appendLost(lost, a.base+uint64(i), e)
		}
	}
	totals := a.totals
	for _, r := range lost {
		n := int64(r.Last - r.First + 1)
		if r.Held {
			totals[r.QoS].Unfinished += n
			continue
		}
		totals[r.QoS].Lost += n
		if r.Acked {
			totals[r.QoS].LostAcked += n
		}
	}
	return totals, lost
}

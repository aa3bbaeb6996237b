package load

import (
	"errors"
	"os"
	"time"
)

// paced is the loop at a given rate. A message is due at its time whatever became of those before it, and its latency counts
// from then: what waits for a slow endpoint, or for room in the window, is late.
func (l *closed) paced(acks bool, free []int) error {
	interval := time.Duration(float64(time.Second) / l.r.config.Rate * float64(len(l.r.devices)))
	// Devices take turns rather than send all at once.
	due := time.Now().Add(time.Duration(l.d.rng.Float64() * float64(interval)))
	heard := time.Now()
	for {
		var ready []int
		for now := time.Now(); len(ready) < len(free) && !due.After(now); due = due.Add(interval) {
			l.at[free[len(ready)]] = due
			ready = free[:len(ready)+1]
		}
		underWay := len(l.frames) - len(free)
		sent, err := l.write(ready)
		if err != nil {
			return err
		}
		if underWay == 0 {
			heard = time.Now()
		}
		underWay += sent
		free = free[sent:]
		if underWay == 0 && l.over() {
			return nil
		}
		until := heard.Add(l.r.config.Timeout)
		if underWay == 0 || len(free) > 0 && due.Before(until) && !l.over() {
			until = due
		}
		if stop := time.Now().Add(100 * time.Millisecond); underWay == 0 && until.After(stop) {
			until = stop // to see that the measurement is over
		}
		_ = l.d.SetReadDeadline(until)
		before := len(free)
		err = l.d.read()
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || underWay > 0 && time.Since(heard) >= l.r.config.Timeout) {
			return err
		}
		if free, err = l.answered(acks, free); err != nil {
			return err
		}
		if len(free) > before {
			heard = time.Now()
		}
	}
}

// over reports whether nothing more is to be sent.
func (l *closed) over() bool {
	most := l.r.config.Messages
	return l.r.stop.Load() || most > 0 && int(l.d.sent) >= most
}

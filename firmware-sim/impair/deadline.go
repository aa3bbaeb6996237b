package impair

import (
	"sync"
	"time"
)

// deadline is a channel that is closed when its time has passed. The zero value never passes. Its methods are safe for
// concurrent use.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer   // guarded by mu, nil without a deadline ahead
	gone  chan struct{} // guarded by mu, nil when nobody has ever asked
}

// passed is closed when the deadline has passed.
func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.channel()
}

func (d *deadline) channel() chan struct{} { // with mu held
	if d.gone == nil {
		d.gone = make(chan struct{})
	}
	return d.gone
}

// set moves the deadline to t, also for those who wait already, unless the old one has passed; the zero time takes it away.
func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.channel() // it has fired, and is about to close the channel
	}
	d.timer = nil
	select {
	case <-d.channel():
		d.gone = make(chan struct{})
	default:
	}
	gone := d.gone
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(gone)
	default:
		d.timer = time.AfterFunc(wait, func() { close(gone) })
	}
}

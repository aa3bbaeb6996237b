package fleet

import (
	"context"
	"time"
)

// watch calls the progress function about once a second.
func (r *run) watch(ctx context.Context) {
	if r.config.Progress == nil {
		return
	}
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.config.Progress(r.progress())
		case <-ctx.Done():
			return
		}
	}
}

func (r *run) progress() Progress {
	p := Progress{Elapsed: time.Since(r.started), Devices: len(r.devices), Online: r.online()}
	p.Sent, p.Received = r.shared.ledger.Progress()
	for _, c := range r.counters {
		p.Connects += c.Connects.Load()
		for _, n := range c.Faults() {
			p.Faults += n
		}
	}
	return p
}

// storms resets every connection at once, again and again.
func (r *run) storms(ctx context.Context) {
	every := r.config.Device.Impair.Storm
	if every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.storm.fire()
		case <-ctx.Done():
			return
		}
	}
}

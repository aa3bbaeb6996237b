package upstream

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// broker is a target and what is known of it.
type broker struct {
	target    target
	began     time.Time
	up        atomic.Bool
	seen      atomic.Int64  // when it answered last, as a Duration since began: a clock that is set changes nothing
	suspected chan struct{} // of one: a probe is asked for, once
}

func newBroker(t target) *broker {
	return &broker{target: t, began: time.Now(), suspected: make(chan struct{}, 1)}
}

// suspect asks for a probe soon.
func (b *broker) suspect() {
	select {
	case b.suspected <- struct{}{}:
	default:
	}
}

const (
	downInterval = time.Second            // between probes of a broker that is down: devices wait for it
	probeGap     = 200 * time.Millisecond // between probes however many sessions ask
)

// watch keeps what is known of b fresh until ctx ends.
func (p *Pool) watch(ctx context.Context, b *broker) {
	for {
		interval := p.opts.HealthInterval
		if !b.up.Load() {
			interval = min(interval, downInterval)
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			if b.up.Load() && time.Since(b.began)-time.Duration(b.seen.Load()) < p.opts.HealthInterval {
				continue // real devices have just shown it
			}
		case <-b.suspected:
			timer.Stop()
		}
		_ = p.probe(ctx, b) // learned, and logged when it changes anything
		if !sleep(ctx, probeGap) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// probe connects to b, with TLS and WebSocket handshakes where it has them, and hangs up: it says nothing in MQTT.
func (p *Pool) probe(ctx context.Context, b *broker) error {
	dialCtx, cancel := context.WithTimeout(ctx, p.opts.DialTimeout)
	defer cancel()
	nc, err := p.dialer.dial(dialCtx, &b.target, nil)
	if err == nil {
		nc.Close()
	} else {
		err = fmt.Errorf("dial %s: %w", b.target.name, err)
	}
	if ctx.Err() == nil {
		p.learn(b, err)
	}
	return err
}

// learn keeps what was seen of b: nil if it answered.
func (p *Pool) learn(b *broker, err error) {
	if err == nil {
		b.seen.Store(int64(time.Since(b.began)))
		if !b.up.Load() && !b.up.Swap(true) {
			p.opts.Log.Info("broker answers", "broker", b.target.name)
		}
		return
	}
	if b.up.Swap(false) {
		b.suspect() // wakes the watch, which may have chosen to sleep for long when b was up
		p.opts.Log.Warn("broker does not answer; devices get 503 until one does", "broker", b.target.name, "error", err.Error())
	}
}

package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge"
)

// broker is a target and what is known of it.
type broker struct {
	// Set once.
	url    string // the whole of it, which may be secret
	target target
	began  time.Time
	dials  map[string]prometheus.Observer // by outcome; nil: nobody counts

	removed   atomic.Bool // it is in no list any more: what becomes of its sessions is told of nobody
	up        atomic.Bool
	seen      atomic.Int64  // when it answered last, as a Duration since began: a clock that is set changes nothing
	hung      atomic.Int32  // attempts to connect in a row that were given up for another broker's
	usual     atomic.Int64  // how long it takes to connect, as a Duration: lately, not on average
	silent    atomic.Int32  // CONNECTs in a row that it did not answer
	hushed    atomic.Int64  // until when a connection proves nothing, as a Duration since began
	suspected chan struct{} // of one: a probe is asked for, once
}

func newBroker(url string, t target) *broker {
	return &broker{url: url, target: t, began: time.Now(), suspected: make(chan struct{}, 1)}
}

// hungMost is how many attempts in a row may hang before a broker is tried after the others. One may have lost a packet.
const hungMost = 2

// rank is what comes first when a broker is chosen: less is better.
func (b *broker) rank() (r int) {
	if !b.up.Load() {
		r = 2
	}
	if b.hung.Load() >= hungMost {
		r++
	}
	return r
}

// connected notes how long it took to connect.
func (b *broker) connected(took time.Duration) {
	b.hung.Store(0)
	b.usual.Store(max(int64(took), b.usual.Load()*7/8))
}

// patience is how long an attempt to connect may take before another broker is tried beside it: a broker far away gets more, so that its
// devices do not go elsewhere.
func (b *broker) patience() time.Duration { return max(stagger, 4*time.Duration(b.usual.Load())) }

// suspect asks for a probe soon.
func (b *broker) suspect() {
	select {
	case b.suspected <- struct{}{}:
	default:
	}
}

// silentMost is how many devices in a row a broker may leave without CONNACK before it counts as down: one that hangs still
// takes connections, since the kernel does that for it.
const silentMost = 3

var errSilent = errors.New("it takes connections and does not answer CONNECT")

// unanswered notes that a CONNECT was not answered.
func (p *Pool) unanswered(b *broker) {
	if b.silent.Add(1) < silentMost {
		b.suspect()
		return
	}
	b.hushed.Store(int64(time.Since(b.began) + p.current.Load().healthInterval))
	p.learn(b, dialError(&b.target, errSilent))
}

// answered notes that a CONNECT was answered.
func (p *Pool) answered(b *broker) {
	b.silent.Store(0)
	b.hushed.Store(0)
	p.learn(b, nil)
}

// ours reports whether a dial failed for want of something on this side: it says nothing about the broker.
func ours(err error) bool { return err != nil && bridge.Shortage(err) != nil }

const (
	downInterval = time.Second            // between probes of a broker that is down: devices wait for it
	probeGap     = 200 * time.Millisecond // between probes however many sessions ask

	// How long a probe waits whether the broker hangs up: as long again as it took to connect, within these.
	stayLeast = 100 * time.Millisecond
	stayMost  = time.Second
)

// watch keeps what is known of b fresh until ctx ends.
func (p *Pool) watch(ctx context.Context, b *broker) {
	for {
		interval := p.current.Load().healthInterval
		if !b.up.Load() {
			interval = min(interval, downInterval)
		}
		timer := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			if b.up.Load() && time.Since(b.began)-time.Duration(b.seen.Load()) < p.current.Load().healthInterval {
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
	err := p.current.Load().probe(ctx, b)
	switch {
	case ctx.Err() != nil || ours(err):
	case err == nil && time.Since(b.began) < time.Duration(b.hushed.Load()):
	default:
		p.learn(b, err)
	}
	return err
}

// probe is the same, and nothing is learned from it.
func (r *roster) probe(ctx context.Context, b *broker) error {
	ctx, cancel := context.WithTimeout(ctx, r.dialTimeout)
	defer cancel()
	began := time.Now()
	nc, err := r.dialer.dial(ctx, &b.target, nil)
	if err == nil {
		b.connected(time.Since(began))
		err = stays(nc, min(max(stayLeast, time.Since(began)), stayMost))
		nc.Close()
	}
	if err != nil {
		err = dialError(&b.target, err)
	}
	return err
}

// stays sees that the broker does not hang up before it has heard a word. A proxy without a broker behind it does, and so does a
// broker that does not like the bridge's certificate: in TLS 1.3 it says so when the handshake is already over on this side.
func stays(nc net.Conn, wait time.Duration) error {
	deadline := time.Now().Add(wait)
	if err := nc.SetReadDeadline(deadline); err != nil {
		return err
	}
	_, err := nc.Read(make([]byte, 1))
	if err == nil || !time.Now().Before(deadline) { // a WebSocket has no error of its own for a deadline
		return nil
	}
	return fmt.Errorf("it takes the connection and hangs up: %w", err)
}

// learn keeps what was seen of b: nil if it answered.
func (p *Pool) learn(b *broker, err error) {
	if b.removed.Load() {
		return
	}
	if err == nil {
		b.seen.Store(int64(time.Since(b.began)))
		if !b.up.Load() && !b.up.Swap(true) {
			p.log.Info("broker answers", "broker", b.target.name)
		}
		return
	}
	if b.up.Swap(false) {
		b.suspect() // wakes the watch, which may have chosen to sleep for long when b was up
		p.log.Warn("broker does not answer; devices get 503 until one does", "broker", b.target.name, "error", err.Error())
	}
}

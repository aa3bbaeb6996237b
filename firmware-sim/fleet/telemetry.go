package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// Extra is further behaviour of a device beside telemetry. Its methods are called like those of a device.Behaviour;
// Online must return soon after ctx ends.
type Extra interface {
	Filters() []string
	Online(ctx context.Context, link device.Link)
	Message(link device.Link, m packet.Message)
}

// shared is what all devices of a run look at.
type shared struct {
	config *Config
	ledger *verify.Ledger
	gate   *gate
	// sending ends when devices should stop sending and leave.
	sending context.Context
	storm   *broadcast
}

// telemetry is what an ordinary device does: say something now and then, answer commands.
type telemetry struct {
	*shared
	id      string
	index   int
	profile *profile.Profile
	extra   Extra

	commands chan []byte
	epoch    atomic.Int64  // connections so far; odd while online
	hello    chan struct{} // the witness has seen a birth; capacity 1
	born     atomic.Bool   // in this run, and the witness has seen it
	wills    atomic.Int64
	left     atomic.Bool              // for good
	kept     atomic.Pointer[numbered] // booked, and not taken by the last connection

	// owned by Online, which runs once at a time
	rng   *rand.Rand
	model payload.Model
	sent  int
	next  time.Time
}

// commandQueue is how many commands may wait for a device that is busy writing.
const commandQueue = 8

func newTelemetry(s *shared, id string, index int, p *profile.Profile) (*telemetry, error) {
	t := &telemetry{shared: s, id: id, index: index, profile: p, hello: make(chan struct{}, 1),
		rng: rand.New(rand.NewPCG(s.config.Device.Seed, uint64(index)<<1|1))}
	if s.config.Commands > 0 {
		t.commands = make(chan []byte, commandQueue)
	}
	if s.config.Extra != nil {
		t.extra = s.config.Extra(id, index, p)
	}
	var err error
	t.model, err = payload.NewModel(s.config.Model, index, t.rng)
	return t, err
}

func (t *telemetry) topic(kind string) string { return t.config.Prefix + "/" + t.id + "/" + kind }

// filters are what the device subscribes to.
func (t *telemetry) filters() []string {
	var out []string
	if t.commands != nil {
		out = append(out, t.topic("cmd"))
	}
	if t.extra != nil {
		out = append(out, t.extra.Filters()...)
	}
	return out
}

// State is the payload of birth, farewell and will.
type State struct {
	Device string `json:"d"`
	State  string `json:"state"`
}

func stateMessage(topic, id, state string) packet.Message {
	body, _ := json.Marshal(State{Device: id, State: state}) // two strings do not fail
	return packet.Message{Topic: topic, Payload: body, QoS: 1, Retain: true}
}

// Online implements device.Behaviour.
func (t *telemetry) Online(ctx context.Context, link device.Link) time.Duration {
	t.epoch.Add(1)
	defer t.epoch.Add(1)
	var extras sync.WaitGroup
	defer extras.Wait()
	if t.extra != nil {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		extras.Go(func() { t.extra.Online(inner, link) })
	}
	if t.config.Birth && !t.greet(ctx, link) {
		return 0
	}
	away := t.talk(ctx, link)
	if ctx.Err() != nil {
		return 0
	}
	quiet := t.config.silence(t.profile)
	link.Settle(ctx, quiet)
	if t.config.Birth && away < 0 {
		// A retained message with an empty payload takes the birth off the broker.
		last, cancel := context.WithTimeout(ctx, quiet)
		defer cancel()
		_ = link.Publish(last, packet.Message{Topic: t.topic("state"), QoS: 1, Retain: true}, 0)
		link.Settle(ctx, quiet)
	}
	t.left.Store(away < 0 && ctx.Err() == nil)
	return away
}

// greet publishes the birth. After a reconnect it waits a moment for the witness to have seen it: when a broker was
// restarted, a device may be back before the witness has noticed that it is cut off itself.
func (t *telemetry) greet(ctx context.Context, link device.Link) bool {
	select {
	case <-t.hello:
	default:
	}
	if link.Publish(ctx, stateMessage(t.topic("state"), t.id, "online"), 0) != nil {
		return false
	}
	if t.epoch.Load() == 1 {
		return true
	}
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-t.hello:
	case <-timer.C:
	case <-t.sending.Done():
	case <-ctx.Done():
	}
	return true
}

// talk sends until there is nothing more to say on this connection; it returns how long to stay away.
func (t *telemetry) talk(ctx context.Context, link device.Link) time.Duration {
	q, canBeQuiet := link.(device.Quieter)
	if t.profile.Power.Doze > 0 && canBeQuiet {
		q.Quiet(true)
	}
	if t.kept.Load() != nil && t.gate.wait(ctx, ctx) && t.send(ctx, link) != nil {
		return 0
	}
	storm := t.storm.next()
	var timer *time.Timer
	for !t.done() {
		var due <-chan time.Time
		if t.config.Rate > 0 {
			wait := t.untilNext()
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			due = timer.C
		}
		select {
		case <-due:
			if !t.burst(ctx, link) {
				return 0
			}
			if s := t.profile.Power.Sleep; s > 0 {
				return s
			}
		case c := <-t.commands:
			if link.Publish(ctx, packet.Message{Topic: t.topic("answer"), Payload: c, QoS: 1}, 0) != nil {
				return 0
			}
		case <-storm:
			link.Drop()
			return 0
		case <-t.sending.Done():
			return -1
		case <-ctx.Done():
			return 0
		}
	}
	return -1
}

func (t *telemetry) done() bool {
	return t.sending.Err() != nil || t.config.Messages > 0 && t.sent >= t.config.Messages
}

func (t *telemetry) interval() time.Duration {
	return time.Duration(float64(time.Second) / t.config.Rate)
}

// untilNext is the time until the next message, or the next wake-up of a dozing phone.
func (t *telemetry) untilNext() time.Duration {
	now := time.Now()
	if t.next.IsZero() {
		t.next = now.Add(time.Duration(t.rng.Float64() * float64(t.interval())))
	}
	wait := t.next.Sub(now)
	if doze := t.profile.Power.Doze; doze > wait && t.sent > 0 {
		return doze
	}
	return wait
}

// burst sends what has become due, at most once around the clock of a dozing device; false means the link is gone.
func (t *telemetry) burst(ctx context.Context, link device.Link) bool {
	for n := 0; n == 0 || !t.next.After(time.Now()) && n < 1000; n++ {
		if t.done() {
			return true
		}
		if !t.gate.wait(ctx, t.sending) {
			return ctx.Err() == nil
		}
		if err := t.send(ctx, link); err != nil {
			return false
		}
		t.next = t.next.Add(t.interval())
		if behind := time.Since(t.next); t.profile.Power.Doze == 0 && behind > time.Minute {
			t.next = time.Now()
		}
	}
	return true
}

// numbered is a message with its place in the books.
type numbered struct {
	packet.Message
	seq uint64
}

// send makes one message, books it and hands it to the link. What the link did not take goes first on the next connection.
func (t *telemetry) send(ctx context.Context, link device.Link) error {
	m := t.kept.Load()
	if m == nil {
		qos := t.pickQoS()
		seq := t.ledger.Sent(t.index, qos)
		t.sent++
		now := time.Now()
		body := t.config.Codec.Encode(payload.Marker{Device: t.id, Seq: seq, Time: now.UnixNano()}, t.model(t.rng, now))
		m = &numbered{packet.Message{Topic: t.topic("data"), Payload: body, QoS: qos}, seq}
	}
	err := link.Publish(ctx, m.Message, m.seq)
	if errors.Is(err, device.ErrNotTaken) {
		t.kept.Store(m)
	} else {
		t.kept.Store(nil)
	}
	return err
}

func (t *telemetry) pickQoS() byte {
	w := t.config.QoS
	x := t.rng.Float64() * (w[0] + w[1] + w[2])
	switch {
	case x < w[0]:
		return 0
	case x < w[0]+w[1]:
		return 1
	}
	return 2
}

// Message implements device.Behaviour. Commands are answered by Online, so that the reader never waits for the writer.
func (t *telemetry) Message(link device.Link, m packet.Message) {
	if m.Topic != t.topic("cmd") {
		if t.extra != nil {
			t.extra.Message(link, m)
		}
		return
	}
	select {
	case t.commands <- append([]byte(nil), m.Payload...):
	default: // too many at once: the commander will miss an answer, and says so
	}
}

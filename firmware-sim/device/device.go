package device

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Settings are what the devices of a fleet share; read-only once in use.
type Settings struct {
	Endpoint  *wire.Endpoint
	Version   packet.Version // 0 for the profile's own
	Newest    bool           // the newest version that the broker takes, 5 or 3.1.1, unless Version is set; raw engine only
	Clean     bool           // clean session (MQTT 5: clean start and no expiry)
	Expiry    uint32         // seconds the broker keeps a persistent MQTT 5 session
	KeepAlive time.Duration  // 0 for the profile's own
	Timeout   time.Duration  // for handshake, CONNACK and writes; 0 means 10 s
	MaxPacket int            // bytes; 0 means 1 MiB
	Inflight  int            // QoS 1 and 2 messages under way per device; 0 means 16. The broker's Receive Maximum lowers it
	Receive   uint16         // Receive Maximum of MQTT 5 devices; 0 says nothing, which means 65,535
	Impair    impair.Spec    // laid over the profile's radio
	Headers   []string       // further handshake header lines
	Trace     func(clientID, line string)
	Seed      uint64
}

// Identity is who a device is.
type Identity struct {
	Index              int
	ClientID, Username string
	Password           string
	Will               *packet.Message
	Filters            []string // subscribed after each connect
	FilterQoS          byte
}

// Link is a device's open session, as its Behaviour uses it.
type Link interface {
	// Publish hands m to the connection. It waits while too many QoS 1 and 2 messages are under way, and returns before
	// they are acknowledged. ErrNotTaken means that the connection ended before m was begun with: it is still the caller's.
	// seq, when not 0, is the number under which the Observer hears of acknowledgement and resends.
	Publish(ctx context.Context, m packet.Message, seq uint64) error
	// Settle waits until nothing is under way, until nothing was acknowledged for the time given, or until ctx ends.
	Settle(ctx context.Context, quiet time.Duration)
	// Drop resets the connection without a farewell, as a power loss does.
	Drop()
}

// Behaviour is what a device does while it is online. All calls for one device come from goroutines of that device.
type Behaviour interface {
	// Online is called once per connection and runs until ctx ends or it has nothing more to do on this connection.
	// It returns how long to stay away before connecting again; negative means for good.
	Online(ctx context.Context, link Link) (away time.Duration)
	// Message is called for each received message, from the reading goroutine. m.Payload is valid during the call.
	Message(link Link, m packet.Message)
}

// Observer hears what becomes of numbered messages. Its methods are called concurrently.
type Observer interface {
	Resent(index int, seq uint64)
	Acked(index int, seq uint64)
}

// Device is one simulated device. Create it with New, run it once with Run.
type Device struct {
	id       Identity
	profile  *profile.Profile
	settings *Settings
	does     Behaviour
	observer Observer
	counters *Counters

	rng   *rand.Rand // owned by Run
	state state

	older   atomic.Bool // Settings.Newest: 3.1.1 is spoken, since 5 was refused
	settled bool        // owned by Run: the broker has accepted a version
}

// New makes a device; nothing is opened yet. observer may be nil.
func New(id Identity, p *profile.Profile, s *Settings, does Behaviour, o Observer, c *Counters) *Device {
	d := &Device{id: id, profile: p, settings: s, does: does, observer: o, counters: c,
		rng: rand.New(rand.NewPCG(s.Seed, uint64(id.Index)))}
	d.state.init(s.inflight())
	return d
}

func (s *Settings) inflight() int {
	if s.Inflight > 0 {
		return s.Inflight
	}
	return 16
}

func (s *Settings) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return 10 * time.Second
}

// patience is the timeout for a whole handshake: longer on a bad line, where each of its steps takes long.
func (d *Device) patience() time.Duration {
	line := d.profile.Radio.With(d.settings.Impair)
	return d.settings.timeout() + 10*(line.Latency+line.Jitter) + 2*line.Stall
}

func (s *Settings) maxPacket() int {
	if s.MaxPacket > 0 {
		return s.MaxPacket
	}
	return 1 << 20
}

func (d *Device) version() packet.Version {
	v := d.settings.Version
	switch {
	case v != 0:
		return v
	case d.settings.Newest && d.older.Load():
		return packet.V311
	case d.settings.Newest:
		return packet.V5
	}
	return d.profile.MQTT
}

func (d *Device) keepAlive() time.Duration {
	if k := d.settings.KeepAlive; k > 0 {
		return k
	}
	return d.profile.KeepAlive
}

// ErrNotTaken is returned by Publish for a message that was neither sent nor kept.
var ErrNotTaken = errors.New("the connection ended before the message was begun with")

// errDone ends Run: the behaviour stays away for good.
var errDone = errors.New("behaviour done")

// Unfinished returns the numbers of the messages that the device still holds because the broker has not finished with them:
// it would send them again. Call it when Run has returned, or at any time for how many there are just now.
func (d *Device) Unfinished() []uint64 { return d.state.numbers() }

// Run connects, and connects again after every loss with the profile's back-off, until ctx ends or the behaviour is
// done. All connections are closed when it returns.
func (d *Device) Run(ctx context.Context) {
	switch {
	case d.profile.Hostile:
		d.runHostile(ctx)
	case d.profile.Engine == profile.Autopaho && d.settings.Endpoint.WebSocket() && d.version() == packet.V5:
		d.runLibrary(ctx)
	default:
		d.runRaw(ctx)
	}
}

func (d *Device) runRaw(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		away, online, err := d.connectOnce(ctx)
		if errors.Is(err, errDone) || ctx.Err() != nil {
			return
		}
		if online {
			failures = 0
		}
		if err != nil {
			away = d.profile.Reconnect.Delay(failures, d.rng)
			failures++
		}
		if !sleep(ctx, away) {
			return
		}
	}
}

// connectOnce lives through one connection. online tells whether the broker had accepted it.
func (d *Device) connectOnce(ctx context.Context) (away time.Duration, online bool, err error) {
	d.counters.Attempts.Add(1)
	conn, err := d.dial(ctx)
	if err != nil {
		d.counters.failed(err)
		return 0, false, err
	}
	s := newSession(d, conn)
	defer s.close()
	if err := s.open(ctx); err != nil {
		if ctx.Err() == nil && !d.fallBack(err) {
			d.counters.failed(err)
		}
		return 0, false, err
	}
	d.settled = true
	d.counters.online()
	defer d.counters.Online.Add(-1)
	away = d.does.Online(s.ctx, s)
	if cause := context.Cause(s.ctx); cause != nil && ctx.Err() == nil {
		d.counters.lost(cause)
		if d.settings.Clean {
			d.state.forget() // a clean session ends with its connection
		}
		return 0, true, cause
	}
	s.leave()
	if away < 0 {
		return 0, true, errDone
	}
	return away, true, nil
}

func (d *Device) dial(ctx context.Context) (net.Conn, error) {
	conn, err := d.settings.Endpoint.Dial(ctx, d.id.Index)
	if err != nil {
		return nil, err
	}
	return impair.Wrap(conn, d.profile.Radio.With(d.settings.Impair), d.rng), nil
}

// sleep waits and reports false when ctx ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

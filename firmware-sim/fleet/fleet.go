package fleet

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// Progress is the state of a run in one line's worth of numbers.
type Progress struct {
	Elapsed        time.Duration
	Devices        int
	Online         int64
	Sent, Received int64
	Connects       int64
	Faults         int64
}

// run is one run's moving parts.
type run struct {
	config     *Config
	shared     *shared
	witness    *witness
	commands   *commander
	counters   map[string]*device.Counters // per profile
	devices    []*device.Device
	dealt      []*profile.Profile
	behave     []*telemetry
	seen       *device.Counters // the witness's
	subscriber *device.Device   // the witness's
	storm      *broadcast
	started    time.Time
	ended      time.Time // of the last device's farewell
	memory     Memory
	answers    *CommandReport
	end        End
}

// Run runs the fleet to its end and reports. An error means that nothing could be measured; a bad verdict is no error.
// ctx ends the run early, in order.
func Run(ctx context.Context, config Config) (*Result, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := EnoughFiles(config.Devices); err != nil {
		return nil, err
	}
	// Devices get a context of their own: an interrupt ends the sending first, and only then connections.
	devices, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	r, err := newRun(&config, sending)
	if err != nil {
		return nil, err
	}
	var witness sync.WaitGroup
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		stopWatching()
		witness.Wait()
		r.eraseWitness(context.WithoutCancel(ctx))
	}()
	if err := r.startWitness(ctx, watching, &witness); err != nil {
		return nil, err
	}
	r.live(ctx, devices, stopSending, cut)
	r.drain(ctx)
	return r.result(), nil
}

func newRun(config *Config, sending context.Context) (*run, error) {
	if config.DrainLimit == 0 {
		config.DrainLimit = time.Minute
	}
	for i := range config.Mix {
		p := &config.Mix[i].Profile
		if config.Doze > 0 && p.Power.Doze > 0 {
			p.Power.Doze = config.Doze
		}
		if config.Sleep > 0 && p.Power.Sleep > 0 {
			p.Power.Sleep = config.Sleep
		}
		p.Radio = p.Radio.With(config.Impair[p.Name])
	}
	r := &run{config: config, counters: make(map[string]*device.Counters), seen: new(device.Counters),
		dealt: config.Mix.Deal(config.Devices), storm: newBroadcast(), started: time.Now()}
	r.shared = &shared{config: config, ledger: verify.NewLedger(config.Devices), gate: newGate(), sending: sending, storm: r.storm}
	if config.Commands > 0 {
		r.commands = newCommander(config.Commands, config.Device.Seed)
	}
	indices := make(map[string]int, config.Devices)
	for i, p := range r.dealt {
		if r.counters[p.Name] == nil {
			r.counters[p.Name] = new(device.Counters)
		}
		if err := r.add(i, p, indices); err != nil {
			return nil, err
		}
	}
	if r.commands != nil {
		r.commands.devices = r.behave
	}
	r.witness = &witness{prefix: config.Prefix, codec: config.Codec, ledger: r.shared.ledger, indices: indices, devices: r.behave,
		gate: r.shared.gate, commands: r.commands, first: make(chan struct{})}
	return r, nil
}

func (r *run) add(i int, p *profile.Profile, indices map[string]int) error {
	c := r.config
	id, username, password := c.IDs.Name(i, c.Device.Seed)
	if _, twice := indices[id]; twice {
		return fmt.Errorf("client id %q is given to two devices", id)
	}
	indices[id] = i
	t, err := newTelemetry(r.shared, id, i, p)
	if err != nil {
		return err
	}
	identity := device.Identity{Index: i, ClientID: id, Username: username, Password: password, Filters: t.filters(), FilterQoS: 1}
	if c.Birth {
		will := stateMessage(t.topic("state"), id, "lost")
		identity.Will = &will
	}
	r.behave = append(r.behave, t)
	r.devices = append(r.devices, device.New(identity, p, &c.Device, t, r.shared.ledger, r.counters[p.Name]))
	return nil
}

// startWitness returns when the witness has subscribed.
func (r *run) startWitness(ctx, watching context.Context, group *sync.WaitGroup) error {
	c := r.config
	// The Receive Maximum is said aloud for Mosquitto 2.0: with more waiting than its own window of 20 it overtakes QoS 1 with
	// QoS 2 and the other way round, and loses the order within each. What it has room to send, it sends in order.
	settings := device.Settings{Endpoint: c.Witness, Expiry: 60, Timeout: c.Device.Timeout, MaxPacket: c.Device.MaxPacket,
		Inflight: 1024, Receive: math.MaxUint16, Seed: c.Device.Seed, Headers: c.Device.Headers,
		Version: c.Device.Version, Newest: true}
	if settings.Endpoint == nil {
		settings.Endpoint = c.Device.Endpoint
	}
	id, username, password := c.IDs.Name(0, c.Device.Seed)
	if c.WitnessLogin[0] != "" {
		username, password = c.WitnessLogin[0], c.WitnessLogin[1]
	}
	// A name of its own for each run: the session of the last run's witness may still be there.
	id = fmt.Sprintf("%s-witness-%08x", id, rand.Uint32())
	identity := device.Identity{Index: c.Devices, ClientID: id, Username: username, Password: password,
		Filters: r.witness.filters(), FilterQoS: 2}
	d := device.New(identity, &witnessProfile, &settings, r.witness, nil, r.seen)
	r.subscriber = d
	group.Go(func() { d.Run(watching) })
	timeout := time.NewTimer(c.Device.Timeout + 5*time.Second)
	defer timeout.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.witness.first:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timeout.C:
			return fmt.Errorf("the verifying subscriber did not get through: %s", anyError(r.seen))
		case <-tick.C:
			// One refused connection is reason enough: nothing has worked yet that could recover.
			if r.seen.Failures.Load() > 2 {
				return fmt.Errorf("the verifying subscriber could not connect: %s", anyError(r.seen))
			}
		}
	}
}

// eraseWitness has the broker forget the witness's session, which of a version before MQTT 5 it would keep for good.
func (r *run) eraseWitness(ctx context.Context) {
	_ = r.subscriber.Erase(ctx) // a broker that is gone has forgotten it, or cannot be asked
}

func anyError(c *device.Counters) string {
	for text := range c.Errors() {
		return text
	}
	return "no answer"
}

// live starts the devices, lets them talk and sees them off.
func (r *run) live(ctx, devices context.Context, stopSending, cut context.CancelFunc) {
	r.memory = measure()
	aside, stopAside := context.WithCancel(devices)
	var helpers, group sync.WaitGroup
	helpers.Go(func() { r.watch(aside) })
	helpers.Go(func() { r.storms(aside) })
	r.start(ctx, devices, &group)
	r.memory = measure().since(r.memory, r.online())
	finished := make(chan struct{})
	helpers.Go(func() { group.Wait(); close(finished) })

	var end <-chan time.Time
	if r.config.Duration > 0 {
		timer := time.NewTimer(r.config.Duration)
		defer timer.Stop()
		end = timer.C
	}
	select {
	case <-finished:
	case <-end:
	case <-r.config.Until:
	case <-ctx.Done():
	}
	r.settleCommands(ctx)
	stopSending()
	r.farewell(finished)
	stopAside()
	cut()
	helpers.Wait()
	r.leftOver()
	r.ended = time.Now()
}

// start runs every device, spread over the ramp.
func (r *run) start(ctx, devices context.Context, group *sync.WaitGroup) {
	step := r.config.Ramp / time.Duration(len(r.devices))
	begin := time.Now()
	for i, d := range r.devices {
		if wait := time.Until(begin.Add(time.Duration(i) * step)); wait > time.Millisecond {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
		}
		group.Go(func() { d.Run(devices) })
	}
	r.awaitOnline(ctx)
}

// awaitOnline gives the last devices a moment, so that memory is measured with everybody there.
func (r *run) awaitOnline(ctx context.Context) {
	deadline := time.Now().Add(r.config.Device.Timeout)
	for r.online() < int64(len(r.devices)) && time.Now().Before(deadline) && ctx.Err() == nil {
		var failures int64
		for _, c := range r.counters {
			failures += c.Failures.Load() + c.Refused.Load() + c.Connects.Load()
		}
		if failures >= int64(len(r.devices)) {
			return
		}
		if !pause(ctx, 10*time.Millisecond) {
			return
		}
	}
}

// pause waits and reports false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *run) online() int64 {
	var n int64
	for _, c := range r.counters {
		n += c.Online.Load()
	}
	return n
}

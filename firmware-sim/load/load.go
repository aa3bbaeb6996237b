// Package load drives an endpoint as hard as it can be driven from the same machine without becoming the bottleneck:
// frames are built once, written in batches, and what comes back is counted in place. It measures throughput, latency and
// what the generator itself costs; whether single messages are right is package verify's business.
package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/verify"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Mode is what a load does.
type Mode string

// The modes.
const (
	Up      Mode = "up"      // QoS 0 publishes, as many as fit, or at Rate
	Down    Mode = "down"    // subscribe and count what somebody floods
	Ack     Mode = "qos1"    // closed loop of QoS 1 publishes, Window per device
	RTT     Mode = "rtt"     // closed loop of QoS 0 publishes to oneself, Window per device
	Idle    Mode = "idle"    // connect and do nothing
	Connect Mode = "connect" // connect, CONNECT, leave, again
)

// Modes lists all modes.
var Modes = []Mode{Up, Down, Ack, RTT, Idle, Connect}

// Config describes a load.
type Config struct {
	Endpoint *wire.Endpoint
	Broker   *wire.Endpoint // where Flood publishers connect; nil means Endpoint
	Mode     Mode
	Devices  int
	Duration time.Duration
	Messages int     // per device; 0 means as many as Duration allows
	Size     int     // of payloads in bytes
	Batch    int     // messages per write
	Window   int     // messages under way in closed loops
	Rate     float64 // messages per second of all devices together; 0 for saturated
	Flood    int     // publishers that feed Down; 0 when somebody else does
	Topic    string
	IDs      fleet.Namer
	Headers  []string
	Seed     uint64
	Timeout  time.Duration
	Dialing  int // handshakes at a time
}

// Result is what a load measured. Its JSON form is the interface to benchmarks.
type Result struct {
	Mode       Mode           `json:"mode"`
	URL        string         `json:"url"`
	Devices    int            `json:"devices"`
	Connected  int            `json:"connected"`
	Connecting time.Duration  `json:"connect_ns"`
	Measured   time.Duration  `json:"measured_ns"`
	Sent       int64          `json:"sent"`
	Received   int64          `json:"received"`
	Acked      int64          `json:"acked"`
	BytesUp    int64          `json:"up_bytes"`
	BytesDown  int64          `json:"down_bytes"`
	FloodSent  int64          `json:"flood_sent,omitempty"`
	Connects   int64          `json:"connects,omitempty"`
	Flushed    int            `json:"flushed"` // devices whose last PINGREQ was answered: all before it went through
	Lost       int64          `json:"lost"`    // what the loop can tell: unanswered, or flooded and not received
	Latency    verify.Latency `json:"latency"`
	UserTime   time.Duration  `json:"cpu_user_ns"` // of this process, during the measurement
	SystemTime time.Duration  `json:"cpu_system_ns"`
	Errors     []string       `json:"errors,omitempty"`
}

// Clean reports whether everything connected, was delivered as far as the load can tell, and nothing failed. A flood of which
// nothing came was none, whoever made it.
func (r *Result) Clean() bool {
	return (r.Mode != Down || r.Received > 0) && r.Connected == r.Devices && r.Lost == 0 && len(r.Errors) == 0 && (r.Flushed == r.Devices || r.Mode == Connect)
}

// Validate says what is wrong with a Config.
func (c *Config) Validate() error {
	switch {
	case !slices.Contains(Modes, c.Mode):
		return fmt.Errorf("--mode %q: want one of %v", c.Mode, Modes)
	case c.Devices < 1 || c.Devices > 1_000_000:
		return errors.New("--devices: want 1 to 1000000")
	case c.Size < 0 || c.Size > 64<<20:
		return errors.New("--size: want 0 to 64 MiB")
	case c.Batch < 1 || c.Batch > 1<<16, c.Window < 1 || c.Window > 1<<12:
		return errors.New("--batch and --window: want 1 or more (window 4096 at most)")
	case c.Rate != 0 && (c.Mode == Idle || c.Mode == Connect):
		return fmt.Errorf("--rate: mode %s sends no messages", c.Mode)
	case c.Rate != 0 && c.Mode == Down && c.Flood == 0:
		return errors.New("--rate: in mode down it is the flood's, and there is none: add --flood N")
	case c.Duration <= 0:
		return errors.New("--duration: say how long")
	}
	return nil
}

// runner is a load under way.
type runner struct {
	config  *Config
	devices []*conn
	flood   []*conn
	stop    atomic.Bool // the measurement is over

	flooding atomic.Int64 // publishers of our own still at it
	flooded  atomic.Int64 // what those that have ended sent

	mu      sync.Mutex
	errors  []string
	latency *hdrhistogram.Histogram
}

const maxErrors = 20

func (r *runner) failed(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.errors) < maxErrors {
		r.errors = append(r.errors, err.Error())
	}
}

// Run connects, measures and reports. An error means that nothing was measured.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := fleet.EnoughFiles(c.Devices + c.Flood); err != nil {
		return nil, err
	}
	r := &runner{config: &c, latency: hdrhistogram.New(100, int64(time.Minute), 3)}
	res := &Result{Mode: c.Mode, URL: c.Endpoint.URL.Redacted(), Devices: c.Devices}
	defer r.close()
	begin := time.Now()
	if c.Mode != Connect {
		r.devices = r.connectAll(ctx, c.Endpoint, c.Devices, 0)
		if len(r.devices) == 0 {
			return nil, fmt.Errorf("no device could connect: %v", r.errors)
		}
		r.subscribeAll()
	} else {
		r.devices = make([]*conn, c.Devices)
	}
	if c.Flood > 0 {
		broker := c.Broker
		if broker == nil {
			broker = c.Endpoint
		}
		r.flood = r.connectAll(ctx, broker, c.Flood, c.Devices)
	}
	res.Connected, res.Connecting = len(r.devices), time.Since(begin)

	user, system := processorTime()
	begin = time.Now()
	r.measure(ctx, res)
	res.Measured = time.Since(begin)
	userAfter, systemAfter := processorTime()
	res.UserTime, res.SystemTime = userAfter-user, systemAfter-system
	r.collect(res)
	return res, nil
}

// measure runs the mode's loop on every device for the time given.
func (r *runner) measure(ctx context.Context, res *Result) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Duration)
	defer cancel()
	halt := context.AfterFunc(ctx, func() { r.stop.Store(true) })
	defer halt()
	var group sync.WaitGroup
	each := func(conns []*conn, do func(*conn) error) {
		for _, d := range conns {
			group.Go(func() { r.failed(do(d)) })
		}
	}
	switch r.config.Mode {
	case Up:
		each(r.devices, func(d *conn) error { return r.up(d, false) })
	case Down:
		r.flooding.Store(int64(len(r.flood)))
		each(r.devices, r.down)
		each(r.flood, func(d *conn) error { return r.up(d, true) })
	case Ack, RTT:
		each(r.devices, r.closedLoop)
	case Idle:
		<-ctx.Done()
		each(r.devices, r.flush)
	case Connect:
		var connects atomic.Int64
		for i := range r.config.Devices {
			group.Go(func() { r.failed(r.reconnect(ctx, i, &connects)) })
		}
		group.Wait()
		res.Connects = connects.Load()
	}
	group.Wait()
}

// collect adds up what the devices counted.
func (r *runner) collect(res *Result) {
	for _, d := range r.devices {
		if d == nil {
			continue
		}
		res.Sent += d.sent
		res.BytesUp += d.bytesUp
		res.Received += d.scan.counts[3]
		res.Acked += d.scan.counts[4]
		res.BytesDown += d.scan.bytes
		if d.flushed {
			res.Flushed++
		}
	}
	for _, d := range r.flood {
		res.FloodSent += d.sent
	}
	switch r.config.Mode {
	case Ack:
		res.Lost = res.Sent - res.Acked
	case RTT:
		res.Lost = res.Sent - res.Received
	case Down:
		switch {
		case r.config.Flood > 0:
			res.Lost = res.FloodSent*int64(len(r.devices)) - res.Received
		case r.config.Messages > 0:
			res.Lost = int64(r.config.Messages)*int64(len(r.devices)) - res.Received
		}
	}
	res.Latency = verify.LatencyOf(r.latency)
	res.Errors = r.errors
}

func (r *runner) close() {
	for _, d := range append(r.devices, r.flood...) {
		if d != nil {
			_ = d.Close()
		}
	}
}

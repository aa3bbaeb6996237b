package fleet

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/verify"
)

// command is what goes down to a device and comes back unchanged. It fits a 128-byte MQTT buffer.
type command struct {
	Number uint64 `json:"c"`
}

// CommandReport is how commands fared.
type CommandReport struct {
	Sent     int64 `json:"sent"`
	Answered int64 `json:"answered"`
	// Interrupted went to a device whose connection ended before it could answer.
	Interrupted int64          `json:"interrupted"`
	Unanswered  int64          `json:"unanswered"`
	RoundTrip   verify.Latency `json:"round_trip"`
}

// maxOpenCommands bounds the commands waiting for an answer; no new ones are sent beyond it.
const maxOpenCommands = 10000

type openCommand struct {
	sent   time.Time
	device int
	epoch  int64
}

// commander sends commands to devices that are online and waits for their answers.
type commander struct {
	rate    float64
	devices []*telemetry
	rng     *rand.Rand // owned by run
	stopped chan struct{}

	mu       sync.Mutex
	next     uint64
	open     map[uint64]openCommand
	answers  int64
	interval *hdrhistogram.Histogram
}

func newCommander(rate float64, seed uint64) *commander {
	return &commander{rate: rate, rng: rand.New(rand.NewPCG(seed, 0xC0)), stopped: make(chan struct{}),
		open: make(map[uint64]openCommand), interval: hdrhistogram.New(1000, int64(time.Hour), 3)}
}

// run sends commands at the rate until ctx ends or stop is called.
func (c *commander) run(ctx context.Context, link device.Link) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / c.rate))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.send(ctx, link)
		case <-c.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

// stop ends the sending of commands for good; call it once. Whatever is waited for afterwards was begun before.
func (c *commander) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.stopped)
}

func (c *commander) send(ctx context.Context, link device.Link) {
	t := c.devices[c.rng.IntN(len(c.devices))]
	epoch := t.epoch.Load()
	if epoch%2 == 0 || t.profile.Hostile {
		return
	}
	number, ok := c.number(t.index, epoch)
	if !ok {
		return
	}
	body, _ := json.Marshal(command{Number: number}) // a number does not fail
	_ = link.Publish(ctx, packet.Message{Topic: t.topic("cmd"), Payload: body, QoS: 1}, 0)
}

// number gives the next command its number, unless no more may be sent.
func (c *commander) number(device int, epoch int64) (number uint64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.stopped:
		return 0, false
	default:
	}
	if len(c.open) >= maxOpenCommands {
		return 0, false
	}
	c.next++
	c.open[c.next] = openCommand{sent: time.Now(), device: device, epoch: epoch}
	return c.next, true
}

func (c *commander) answered(body []byte) {
	var cmd command
	if json.Unmarshal(body, &cmd) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.open[cmd.Number]
	if !ok {
		return // a second answer, after an honest redelivery of the command
	}
	delete(c.open, cmd.Number)
	c.answers++
	_ = c.interval.RecordValue(int64(time.Since(o.sent)))
}

// waiting is how many commands have no answer yet although their device is still on the same connection.
func (c *commander) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, o := range c.open {
		if c.devices[o.device].epoch.Load() == o.epoch {
			n++
		}
	}
	return n
}

// report is to be called while the devices are still online, or epochs have moved on and everything looks interrupted.
func (c *commander) report() *CommandReport {
	unanswered := int64(c.waiting())
	c.mu.Lock()
	defer c.mu.Unlock()
	return &CommandReport{Sent: int64(c.next), Answered: c.answers, Unanswered: unanswered,
		Interrupted: int64(len(c.open)) - unanswered, RoundTrip: verify.LatencyOf(c.interval)}
}

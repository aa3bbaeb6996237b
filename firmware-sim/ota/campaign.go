package ota

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/profile"
)

// Shares says which part of a fleet meets which fate; the rest is smooth.
type Shares map[Fate]float64

// Campaign is one update of a fleet: it deals fates, makes agents and judges each device by its fate.
type Campaign struct {
	prefix string
	seed   uint64
	key    ed25519.PublicKey
	chunk  int
	shares Shares

	mu     sync.Mutex
	agents map[string]*Agent
	last   map[string]Report
	open   int
	total  int // devices that will take part; Done closes when all have ended
	done   chan struct{}
}

// NewCampaign makes a campaign for total devices.
func NewCampaign(prefix string, seed uint64, key ed25519.PublicKey, chunk int, shares Shares, total int) *Campaign {
	return &Campaign{prefix: prefix, seed: seed, key: key, chunk: chunk, shares: shares, total: total, open: total,
		agents: make(map[string]*Agent), last: make(map[string]Report), done: make(chan struct{})}
}

// Agent makes a device's updater, or nil for a device that cannot update.
func (c *Campaign) Agent(id string, index int, p *profile.Profile) fleet.Extra {
	if !Capable(p) {
		return nil
	}
	chunk := c.chunk
	if limit := p.Receiver.MaxFrame; limit > 0 {
		chunk = min(chunk, limit-256) // topic and headers want their room
	}
	a := NewAgent(id, c.prefix, c.deal(index), c.key, chunk)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents[id] = a
	return a
}

// Capable reports whether a device of that profile can take part: a manifest must fit its MQTT buffer.
func Capable(p *profile.Profile) bool {
	return !p.Hostile && (p.Receiver.MQTTBuffer == 0 || p.Receiver.MQTTBuffer >= 512)
}

// deal gives a device its fate, the same for the same seed.
func (c *Campaign) deal(index int) Fate {
	x := rand.New(rand.NewPCG(c.seed, uint64(index)|1<<40)).Float64()
	for _, f := range slices.Sorted(maps.Keys(c.shares)) {
		if x < c.shares[f] {
			return f
		}
		x -= c.shares[f]
	}
	return Smooth
}

// Heard takes a report; give it to NewServer.
func (c *Campaign) Heard(id string, r Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agents[id] == nil {
		return
	}
	before, known := c.last[id]
	if known && before.State.Final() {
		return
	}
	c.last[id] = r
	if r.State.Final() {
		if c.open--; c.open == 0 {
			close(c.done)
		}
	}
}

// Done is closed when every device has come to an end.
func (c *Campaign) Done() <-chan struct{} { return c.done }

// Outcome is one device's update.
type Outcome struct {
	Device   string `json:"device"`
	Fate     Fate   `json:"fate"`
	Expected State  `json:"expected"`
	State    State  `json:"state"` // empty when nothing was heard
	Detail   string `json:"detail,omitempty"`
	OK       bool   `json:"ok"`
}

// Outcomes judges every device: it must have ended as its fate demands, and a power loss must have been resumed from.
func (c *Campaign) Outcomes() []Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Outcome
	for _, id := range slices.Sorted(maps.Keys(c.agents)) {
		a, r := c.agents[id], c.last[id]
		o := Outcome{Device: id, Fate: a.fate, Expected: a.fate.Expected(), State: r.State, Detail: r.Detail}
		o.OK = o.State == o.Expected
		if a.fate == PowerLoss && !a.resumed.Load() {
			o.OK, o.Detail = false, "the download was not resumed"
		}
		out = append(out, o)
	}
	return out
}

// Finding puts a campaign's outcome into a fleet's verdict.
func (c *Campaign) Finding() fleet.Finding {
	all, good := c.Outcomes(), 0
	for _, o := range all {
		if o.OK {
			good++
		}
	}
	return fleet.Finding{Name: "updates as expected", OK: good == len(all), Detail: fmt.Sprintf("%d of %d devices", good, len(all))}
}

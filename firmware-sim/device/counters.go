package device

import (
	"maps"
	"regexp"
	"sync"
	"sync/atomic"

	"mqtt-ws-bridge/firmware-sim/profile"
)

// Counters is what happened to the devices of one profile. The zero value is ready; all methods are safe for
// concurrent use.
type Counters struct {
	Attempts, Connects, Failures, Losses atomic.Int64
	Online, MostOnline                   atomic.Int64
	Published, Received                  atomic.Int64
	BytesUp, BytesDown                   atomic.Int64
	Refused                              atomic.Int64 // hostile attempts turned away, as they should be

	mu     sync.Mutex
	faults map[profile.Fault]int64
	errors map[string]int64 // guarded by mu; at most maxErrors different ones
}

const maxErrors = 32

// Fault counts a fault and remembers what was seen.
func (c *Counters) Fault(p profile.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults == nil {
		c.faults = make(map[profile.Fault]int64)
	}
	c.faults[p.Fault]++
	c.note("fault " + p.Error())
}

// Faults returns the counts per fault.
func (c *Counters) Faults() map[profile.Fault]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.faults)
}

// Errors returns the errors that were met, each with its count.
func (c *Counters) Errors() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.errors)
}

// ephemeral finds the local end of a connection in an error: it differs every time and says nothing.
var ephemeral = regexp.MustCompile(`[\[\]0-9a-f.:]+:\d+->`)

func (c *Counters) note(text string) { // with mu held
	text = ephemeral.ReplaceAllString(text, "")
	if c.errors == nil {
		c.errors = make(map[string]int64)
	}
	if _, known := c.errors[text]; !known && len(c.errors) >= maxErrors {
		text = "others"
	}
	c.errors[text]++
}

func (c *Counters) failed(err error) {
	c.Failures.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("connect: " + err.Error())
}

func (c *Counters) lost(err error) {
	c.Losses.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note("lost: " + err.Error())
}

func (c *Counters) online() {
	c.Connects.Add(1)
	now := c.Online.Add(1)
	for {
		most := c.MostOnline.Load()
		if now <= most || c.MostOnline.CompareAndSwap(most, now) {
			return
		}
	}
}

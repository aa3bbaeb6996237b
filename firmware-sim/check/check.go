// Package check asks one endpoint whether it suits real devices. Every assertion is one promise that some client library
// lives on, or one offence that an endpoint must refuse, tried over a connection of its own with bytes of our own making.
package check

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Config says what to check and how patiently.
type Config struct {
	Endpoint           *wire.Endpoint
	Username, Password string
	Headers            []string
	Prefix             string        // of client ids and topics; the endpoint must let this login use them
	Step               time.Duration // how long an answer may take
	Quiet              time.Duration // how long to watch for pings
	Parallel           int
	Seed               uint64
	Only               []string // assertion ids; empty for all
}

// Status is how an assertion ended.
type Status string

// The statuses. Skipped means that the assertion could not be tried, with the reason in Seen.
const (
	Pass    Status = "pass"
	Fail    Status = "FAIL"
	Skipped Status = "skipped"
)

// Outcome is what one assertion found.
type Outcome struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Rule   string   `json:"rule"`
	Breaks []string `json:"breaks,omitempty"` // who suffers when it fails
	Status Status   `json:"status"`
	Seen   string   `json:"seen"`
}

// Assertion is one named expectation.
type Assertion struct {
	ID, Title string
	Rule      string // where it comes from: device-quirks rule, RFC 6455 section, MQTT statement
	Breaks    []string
	try       func(*probe) (Status, string)
}

// Assertions returns all assertions in the order of the table.
func Assertions() []Assertion {
	return slices.Concat(handshakeAssertions(), refusalAssertions(), downlinkAssertions(), uplinkAssertions(),
		controlAssertions(), offenceAssertions(), sessionAssertions())
}

// Run tries the assertions, Parallel at a time, and returns an outcome for each in order. It fails only when there is
// nothing to check at all.
func Run(ctx context.Context, c Config) ([]Outcome, error) {
	todo := Assertions()
	if len(c.Only) > 0 {
		todo = slices.DeleteFunc(todo, func(a Assertion) bool { return !slices.Contains(c.Only, a.ID) })
		if len(todo) == 0 {
			return nil, fmt.Errorf("no assertion is called %v", c.Only)
		}
	}
	conn, err := c.Endpoint.Dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	_ = conn.Close()
	outcomes := make([]Outcome, len(todo))
	slots := make(chan struct{}, max(1, c.Parallel))
	var group sync.WaitGroup
	for i, a := range todo {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			outcomes[i] = a.run(ctx, &c, i)
		})
	}
	group.Wait()
	return outcomes, nil
}

func (a Assertion) run(ctx context.Context, c *Config, n int) Outcome {
	p := newProbe(ctx, c, n)
	defer p.close()
	out := Outcome{ID: a.ID, Title: a.Title, Rule: a.Rule, Breaks: a.Breaks}
	if ctx.Err() != nil {
		out.Status, out.Seen = Skipped, "interrupted"
		return out
	}
	out.Status, out.Seen = a.try(p)
	return out
}

// Failed counts the outcomes that are failures.
func Failed(outcomes []Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Status == Fail {
			n++
		}
	}
	return n
}

// those returns the names of the profiles for which broken is true: who would suffer.
func those(broken func(profile.Profile) bool) []string {
	var names []string
	for _, p := range profile.All() {
		if !p.Hostile && broken(p) {
			names = append(names, p.Name)
		}
	}
	return names
}

func passIf(ok bool, format string, args ...any) (Status, string) {
	status := Fail
	if ok {
		status = Pass
	}
	return status, fmt.Sprintf(format, args...)
}

func failed(err error) (Status, string) { return Fail, err.Error() }

package upstream

import (
	"context"
	"slices"
	"sync"
)

// Prepared is a list of brokers that can come into use. Dropped instead, it leaves nothing behind.
type Prepared struct {
	next   *roster
	added  []*broker
	faults []error // of each of added, whether it answered
}

// Prepare makes another list of brokers, of which Log and Metrics are left out of account, and probes those that are new, for as long as a
// dial may take: once the list is in use, devices must not wait for that. A broker that does not answer is no error. One list at a time is
// prepared and put into use or dropped.
func (p *Pool) Prepare(ctx context.Context, opts Options) (*Prepared, error) {
	next, added, err := p.roster(opts)
	if err != nil {
		return nil, err
	}
	n := &Prepared{next: next, added: added, faults: make([]error, len(added))}
	var wg sync.WaitGroup
	for i, b := range added {
		wg.Go(func() { n.faults[i] = next.probe(ctx, b) })
	}
	wg.Wait()
	return n, nil
}

// Names returns what the brokers are called.
func (n *Prepared) Names() []string { return n.next.names() }

// Replace puts a list from Prepare into use. Every dial from now on has the new settings. Brokers that are in both lists keep what is known
// of them; brokers that are gone take no new session, are not probed any more, and keep the sessions that they have.
func (p *Pool) Replace(n *Prepared) {
	for _, b := range n.next.brokers {
		p.metrics.add(b)
	}
	before := p.current.Swap(n.next)
	names := n.next.names()
	for _, b := range before.brokers {
		if slices.Contains(n.next.brokers, b) {
			b.suspect() // with other settings it may not answer
			continue
		}
		b.removed.Store(true)
		if !slices.Contains(names, b.target.name) {
			p.metrics.remove(b.target.name)
		}
		p.log.Info("broker removed; its sessions stay until they end", "broker", b.target.name)
	}
	for i, b := range n.added {
		if err := n.faults[i]; err != nil {
			p.log.Warn("broker added; it does not answer", "broker", b.target.name, "error", err.Error())
			b.suspect()
			continue
		}
		p.log.Info("broker added", "broker", b.target.name)
		p.learn(b, nil)
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

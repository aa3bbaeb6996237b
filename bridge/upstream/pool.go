package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge"
)

// Options make a [Pool].
type Options struct {
	URLs           []*url.URL         // of the brokers, best first: tcp, tls, unix, ws or wss, with host and port
	TLS            func() *tls.Config // for tls and wss, asked before each dial; nil: the system's roots, TLS 1.2
	Headers        http.Header        // sent when opening ws and wss
	Subprotocol    string             // offered on ws and wss, where the broker must agree to it; "": none
	ProxyProtocol  int                // version of the PROXY header that every connection begins with, 1 or 2; 0: none
	Trust          Trust              // for tls and wss
	ALPN           []string           // protocol names offered with tls
	Proxy          Proxy              // for all but unix
	PingInterval   time.Duration      // of WebSockets to ws and wss; 0: none
	DialTimeout    time.Duration      // of a probe
	HealthInterval time.Duration      // how old the knowledge about a broker may be
	Log            *slog.Logger
	Metrics        prometheus.Registerer // nil: nobody counts
}

// Pool is a list of brokers, which may be replaced. It implements [bridge.Upstream] and is safe for concurrent use.
type Pool struct {
	// Set once.
	log     *slog.Logger
	metrics *metrics
	extra   chan struct{}  // of mostExtra
	slow    *slowAddresses // of all dialers
	changed chan struct{}  // of one: Run is to look at the roster again

	current atomic.Pointer[roster] // never nil
}

// roster is a list of brokers and how they are reached. It is not changed.
type roster struct {
	brokers []*broker
	dialer  dialer

	dialTimeout, healthInterval time.Duration
}

// NewPool returns a pool of these brokers. Nothing is dialled before [Pool.Run].
func NewPool(opts Options) (*Pool, error) {
	p := &Pool{log: opts.Log, extra: make(chan struct{}, mostExtra), slow: new(slowAddresses), changed: make(chan struct{}, 1)}
	p.current.Store(new(roster))
	p.metrics = newMetrics(p)
	r, added, err := p.roster(opts)
	if err != nil {
		return nil, err
	}
	for _, b := range added {
		p.metrics.add(b)
	}
	p.current.Store(r)
	if opts.Metrics != nil {
		opts.Metrics.MustRegister(p.metrics)
	}
	return p, nil
}

// roster makes a list of brokers. Those that are in the current one, by their whole URL, stay the same, with all that is known of them. It
// also returns the others.
func (p *Pool) roster(opts Options) (r *roster, added []*broker, err error) {
	if len(opts.URLs) == 0 {
		return nil, nil, errors.New("no broker URL")
	}
	if opts.TLS == nil {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		opts.TLS = func() *tls.Config { return config }
	}
	r = &roster{dialTimeout: opts.DialTimeout, healthInterval: opts.HealthInterval, dialer: dialer{
		tls: opts.TLS, headers: opts.Headers, subprotocol: opts.Subprotocol, proxyProtocol: opts.ProxyProtocol,
		trust: opts.Trust, alpn: opts.ALPN, proxy: opts.Proxy, pingInterval: opts.PingInterval,
		extra: p.extra, slow: p.slow,
	}}
	r.brokers = make([]*broker, len(opts.URLs))
	known := slices.Clone(p.current.Load().brokers)
	var names []string
	for i, u := range opts.URLs {
		k := slices.IndexFunc(known, func(b *broker) bool { return b.url == u.String() })
		if k < 0 {
			continue
		}
		r.brokers[i], names = known[k], append(names, known[k].target.name)
		known = slices.Delete(known, k, k+1)
	}
	for i, u := range opts.URLs {
		if r.brokers[i] != nil {
			continue
		}
		t, err := newTarget(u)
		if err != nil {
			return nil, nil, err
		}
		t.name = unlike(names, t.name)
		r.brokers[i], names = newBroker(u.String(), t), append(names, t.name)
		added = append(added, r.brokers[i])
	}
	return r, added, nil
}

// unlike is a name that differs from all of these: brokers whose URLs differ in the query alone have the same.
func unlike(names []string, name string) string {
	for n, is := 1, name; ; {
		if !slices.Contains(names, is) {
			return is
		}
		n++
		is = fmt.Sprintf("%s (%d)", name, n)
	}
}

// Names returns what the brokers are called in [bridge.Broker], logs and metrics, in their order. A name holds no secret.
func (p *Pool) Names() []string { return p.current.Load().names() }

func (r *roster) names() []string {
	names := make([]string, len(r.brokers))
	for i, b := range r.brokers {
		names[i] = b.target.name
	}
	return names
}

// Run probes the brokers until ctx ends.
func (p *Pool) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	watched := make(map[*broker]context.CancelFunc)
	for {
		now := p.current.Load()
		for b, stop := range watched {
			if !slices.Contains(now.brokers, b) {
				stop()
				delete(watched, b)
			}
		}
		for _, b := range now.brokers {
			if watched[b] == nil {
				own, stop := context.WithCancel(ctx)
				watched[b] = stop
				wg.Go(func() { p.watch(own, b) })
			}
		}
		select {
		case <-p.changed:
		case <-ctx.Done():
			for _, stop := range watched {
				stop()
			}
			return
		}
	}
}

// Check probes all brokers at once and returns the error of each that does not answer.
func (p *Pool) Check(ctx context.Context) error {
	r := p.current.Load()
	errs := make([]error, len(r.brokers))
	var wg sync.WaitGroup
	for i, b := range r.brokers {
		wg.Go(func() { errs[i] = p.probe(ctx, b) })
	}
	wg.Wait()
	return together(errs)
}

// Ready reports whether a broker answered when last heard of.
func (p *Pool) Ready() bool {
	for _, b := range p.current.Load().brokers {
		if b.up.Load() {
			return true
		}
	}
	return false
}

// Dial connects to the first broker that answers. Those that hung or did not answer lately are tried last, and while one hangs the
// next is tried beside it.
func (p *Pool) Dial(ctx context.Context, device bridge.DeviceInfo) (bridge.Broker, error) {
	now := p.current.Load()
	order := now.order()
	share := remaining(ctx) / time.Duration(len(order)+1) // so that each hears of the device in time
	r := race{n: len(order), extra: p.extra,
		pause: func(i int) time.Duration { return min(order[i].patience(), share) },
		try: func(ctx context.Context, i int) (net.Conn, error) {
			return now.dialer.dial(ctx, &order[i].target, &device)
		}}
	won, lost := r.run(ctx)
	var errs []error
	for _, a := range lost {
		b := order[a.i]
		errs = append(errs, dialError(&b.target, a.err))
		switch {
		case a.hung:
			b.dialled(dialHung, a.took)
			b.hung.Add(1)
			b.suspect() // a probe tells
		case ctx.Err() != nil: // the session may have given up, or the broker is silent: a probe tells
			b.suspect()
		case a.givenUp: // another was faster
		case ours(a.err):
			b.dialled(dialShort, a.took)
		default:
			b.dialled(dialFailed, a.took)
			p.learn(b, a.err)
		}
	}
	if won == nil {
		return bridge.Broker{}, together(errs)
	}
	b := order[won.i]
	b.connected(won.took)
	b.dialled(dialOK, won.took)
	return bridge.Broker{Conn: won.nc, Name: b.target.name, Outcome: p.outcome(b)}, nil
}

// order returns the brokers in the order in which to try them.
func (r *roster) order() []*broker {
	order := slices.Clone(r.brokers)
	slices.SortStableFunc(order, func(a, b *broker) int { return a.rank() - b.rank() })
	return order
}

// outcome learns from a session: a broker that answered CONNECT is well, one that did not is probed at once, and is down for
// a health interval when it did not answer several in a row.
func (p *Pool) outcome(b *broker) *bridge.Outcome {
	return bridge.NewOutcome(func(answered bool) {
		if answered {
			p.answered(b)
		} else {
			p.unanswered(b)
		}
	})
}

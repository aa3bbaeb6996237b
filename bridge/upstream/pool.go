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

// Pool is a list of brokers. It implements [bridge.Upstream] and is safe for concurrent use.
type Pool struct {
	dialer  dialer
	brokers []*broker
	opts    Options
	metrics *metrics
}

// NewPool returns a pool of these brokers. Nothing is dialled before [Pool.Run].
func NewPool(opts Options) (*Pool, error) {
	if len(opts.URLs) == 0 {
		return nil, errors.New("no broker URL")
	}
	if opts.TLS == nil {
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		opts.TLS = func() *tls.Config { return config }
	}
	p := &Pool{opts: opts, dialer: dialer{
		tls: opts.TLS, headers: opts.Headers, subprotocol: opts.Subprotocol, proxyProtocol: opts.ProxyProtocol,
		trust: opts.Trust, alpn: opts.ALPN, proxy: opts.Proxy, pingInterval: opts.PingInterval,
		extra: make(chan struct{}, mostExtra),
	}}
	for _, u := range opts.URLs {
		t, err := newTarget(u)
		if err != nil {
			return nil, err
		}
		t.name = unlike(p.Names(), t.name)
		p.brokers = append(p.brokers, newBroker(t))
	}
	p.metrics = newMetrics(opts.Metrics, p.brokers)
	return p, nil
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
func (p *Pool) Names() []string {
	names := make([]string, len(p.brokers))
	for i, b := range p.brokers {
		names[i] = b.target.name
	}
	return names
}

// Run probes the brokers until ctx ends.
func (p *Pool) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, b := range p.brokers {
		wg.Go(func() { p.watch(ctx, b) })
	}
}

// Check probes all brokers at once and returns the error of each that does not answer.
func (p *Pool) Check(ctx context.Context) error {
	errs := make([]error, len(p.brokers))
	var wg sync.WaitGroup
	for i, b := range p.brokers {
		wg.Go(func() { errs[i] = p.probe(ctx, b) })
	}
	wg.Wait()
	return together(errs)
}

// Ready reports whether a broker answered when last heard of.
func (p *Pool) Ready() bool {
	for _, b := range p.brokers {
		if b.up.Load() {
			return true
		}
	}
	return false
}

// Dial connects to the first broker that answers. Those that hung or did not answer lately are tried last, and while one hangs the
// next is tried beside it.
func (p *Pool) Dial(ctx context.Context, device bridge.DeviceInfo) (bridge.Broker, error) {
	order := p.order()
	share := remaining(ctx) / time.Duration(len(order)+1) // so that each hears of the device in time
	r := race{n: len(order), extra: p.dialer.extra,
		pause: func(i int) time.Duration { return min(order[i].patience(), share) },
		try: func(ctx context.Context, i int) (net.Conn, error) {
			return p.dialer.dial(ctx, &order[i].target, &device)
		}}
	won, lost := r.run(ctx)
	var errs []error
	for _, a := range lost {
		b := order[a.i]
		errs = append(errs, dialError(&b.target, a.err))
		switch {
		case a.hung:
			p.metrics.dialled(b, dialHung, a.took)
			b.hung.Add(1)
			b.suspect() // a probe tells
		case ctx.Err() != nil: // the session may have given up, or the broker is silent: a probe tells
			b.suspect()
		case a.givenUp: // another was faster
		case ours(a.err):
			p.metrics.dialled(b, dialShort, a.took)
		default:
			p.metrics.dialled(b, dialFailed, a.took)
			p.learn(b, a.err)
		}
	}
	if won == nil {
		return bridge.Broker{}, together(errs)
	}
	b := order[won.i]
	b.connected(won.took)
	p.metrics.dialled(b, dialOK, won.took)
	return bridge.Broker{Conn: won.nc, Name: b.target.name, Outcome: p.outcome(b)}, nil
}

// order returns the brokers in the order in which to try them.
func (p *Pool) order() []*broker {
	order := slices.Clone(p.brokers)
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

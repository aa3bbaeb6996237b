package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/admin"
	"mqtt-ws-bridge/bridge/budget"
	"mqtt-ws-bridge/bridge/loop"
	"mqtt-ws-bridge/bridge/quota"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/config/tlsfiles"
	"mqtt-ws-bridge/mqttio"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// What mqttio leaves free before a run is what wsio needs for a frame header: this line does not compile otherwise.
var _ = [1]struct{}{}[mqttio.Headroom-frame.Headroom]

// process is everything that runs.
type process struct {
	cfg *config.Config // as it was at the start
	log *slog.Logger

	// See live.go.
	running current.Value[config.Config]   // what is in effect
	load    func() (*config.Config, error) // reads the configuration again; nil: nobody can
	setLog  func(config.Log)               // nil: the log stays as it is
	handler current.Value[http.Handler]    // of devices
	shared  current.Value[listener.Peers]  // proxies that name devices in a header

	ctx    context.Context // ends with close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	registry   *prometheus.Registry
	tlsMetrics *tlsfiles.Metrics
	tlsStores  current.Value[[]*tlsfiles.Store] // see stores
	brokerTLS  *tlsfiles.Store                  // nil with the embedded broker
	deviceTLS  current.Value[tlsfiles.Store]    // empty until a listener has TLS
	hangups    chan os.Signal                   // SIGHUP, which reloads tlsStores and access

	budget       *budget.Budget
	acceptErrors prometheus.Counter

	bridge      *bridge.Bridge
	quotas      *quota.Book
	access      *keptAccess
	loops       *loop.Loops        // nil where the system has none
	pool        *upstream.Pool     // nil with the embedded broker
	embedded    *upstream.Embedded // nil with brokers of the user's
	brokerNames []string           // at the start

	gate         *listener.Gate
	computing    listener.Slots // of TLS handshakes
	devices      *http.Server
	admin        *http.Server
	adminHandler current.Value[http.Handler]
	listenFailed chan error // of one: what a listener failed with
	serving      bool       // whether listeners that are opened are served at once; set once

	listening       sync.Mutex
	deviceListeners []*deviceListener // guarded by listening while serving, as is adminListener
	adminListener   *openListener     // nil if off
	closed          bool              // guarded by listening: no listener may be added
}

// wire builds everything that cfg describes and opens its listeners. Nothing is served yet. The caller closes the process.
func wire(cfg *config.Config, log *slog.Logger) (*process, error) {
	p := &process{cfg: cfg, log: log, registry: admin.NewRegistry(versionNumber(buildInfo())), listenFailed: make(chan error, 1)}
	p.running.Store(cfg)
	p.hangups = make(chan os.Signal, 1)      // of one: two at once are as good as one
	signal.Notify(p.hangups, syscall.SIGHUP) // from now on: one that comes early must not end the process
	p.tlsMetrics = tlsfiles.NewMetrics(p.registry)
	p.acceptErrors = promauto.With(p.registry).NewCounter(prometheus.CounterOpts{
		Name: "mqtt_ws_bridge_accept_errors_total", Help: "Connections that could not be taken; each is tried again."})
	p.ctx, p.cancel = context.WithCancel(context.Background())
	for _, step := range []func() error{p.wireAccess, p.wireUpstream, p.wireBudget, p.wireBridge, p.openListeners} {
		if err := step(); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *process) wireAccess() error {
	var err error
	p.access, err = newKeptAccess(p.cfg, p.log, p.registry)
	if err == nil {
		p.wg.Go(func() { p.access.run(p.ctx) })
	}
	return err
}

func (p *process) wireUpstream() error {
	if len(p.cfg.Upstream.URLs) == 0 {
		return p.wireEmbedded()
	}
	var err error
	p.brokerTLS, err = p.keepTLS(tlsfiles.NewClient(p.cfg.BrokerTLS(), p.tlsOptions("upstream")))
	if err != nil {
		return fmt.Errorf("upstream.tls: %w", err)
	}
	opts, err := brokerOptions(p.cfg, p.brokerTLS.Config)
	if err != nil {
		return err
	}
	opts.Log, opts.Metrics = p.log, p.registry
	p.pool, err = upstream.NewPool(opts)
	if err == nil {
		p.brokerNames = p.pool.Names()
	}
	return err
}

func (p *process) tlsOptions(use string) tlsfiles.Options {
	return tlsfiles.Options{Use: use, Log: p.log, Metrics: p.tlsMetrics}
}

// keepTLS has a store's files watched and reloaded.
func (p *process) keepTLS(store *tlsfiles.Store, err error) (*tlsfiles.Store, error) {
	if err == nil {
		p.keepStore(store)
	}
	return store, err
}

// stores are the stores of TLS files in use.
func (p *process) stores() []*tlsfiles.Store {
	if all := p.tlsStores.Load(); all != nil {
		return *all
	}
	return nil
}

// keepStore adds a store, while nobody else does.
func (p *process) keepStore(store *tlsfiles.Store) {
	all := append(slices.Clone(p.stores()), store)
	p.tlsStores.Store(&all)
}

func (p *process) wireEmbedded() error {
	address := p.cfg.Embedded.Listen
	e, listenErr, err := upstream.NewEmbedded(address)
	if err != nil {
		return err
	}
	p.embedded, p.brokerNames = e, []string{upstream.EmbeddedName}
	if listenErr != nil {
		p.log.Warn("the embedded broker does without its own address", "address", address, "error", listenErr.Error())
	}
	return nil
}

func (p *process) wireBridge() error {
	var up bridge.Upstream = p.embedded
	if p.pool != nil {
		up = p.pool
	}
	reg := p.registry
	p.quotas = quota.New(quotaOptions(&p.cfg.Quotas))
	p.bridge = bridge.New(bridge.Options{
		Admission: p.admission(),
		Upstream:  up, Metrics: bridge.NewMetrics(reg, p.brokerNames...), Log: p.log, LogRate: p.cfg.Log.Rate, LogConnects: p.cfg.Log.Connects, Register: p.eventLoops(), Budget: p.budget, Memory: memoryLimits(p.cfg),
		Revoked: p.revoked,
		Denial:  denial(p.cfg),
		Limits:  bridgeLimits(p.cfg),
	})
	p.admin = admin.NewServer(p.adminOptions(p.cfg))
	p.adminHandler.Store(&p.admin.Handler)
	p.admin.Handler = latest(&p.adminHandler)
	reg.MustRegister(sourceMetrics{p.access})
	handler, err := p.newHandler(p.cfg)
	if err != nil {
		return err
	}
	p.handler.Store(&handler)
	p.devices = listener.NewServer(latest(&p.handler), handshakeLimits(p.cfg), p.log)
	return nil
}

// latest answers each request with the handler of that moment.
func latest(v *current.Value[http.Handler]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*v.Load()).ServeHTTP(w, r) })
}

func (p *process) adminOptions(cfg *config.Config) admin.Options {
	return admin.Options{
		Bridge: p.bridge, Registry: p.registry, Log: p.log, Hosts: cfg.Admin.Hosts, Profiles: cfg.Admin.Pprof == "on",
		Unready: p.unready, Notes: p.notes,
	}
}

// newHandler returns what answers the requests of devices.
func (p *process) newHandler(cfg *config.Config) (http.Handler, error) {
	trusted, err := peers(cfg.Addresses.TrustedProxies)
	if err != nil {
		return nil, err
	}
	var tell func(*frame.Conn, refusal.Refusal, time.Time)
	if cfg.BrowserReasons == "on" {
		tell = func(c *frame.Conn, why refusal.Refusal, deadline time.Time) {
			bridge.Tell(c, reasonOf(why), deadline)
		}
	}
	return p.access.withAttempt(handshake.NewHandler(handshake.Options{
		Tell:          tell,
		AddressHeader: addressHeaders[cfg.Addresses.Header], TrustedProxies: trusted,
		Paths: cfg.Paths, HealthPath: cfg.HealthPath, Health: p.health, Origins: cfg.Origins,
		SubprotocolOptional: cfg.Subprotocol.Optional, ExtraSubprotocols: cfg.Subprotocol.Extra,
		MaxFrame: int(cfg.Downlink.FrameSize), ControlRate: cfg.Limits.ControlFrames,
		Admit:    p.admit,
		Answer:   p.answer,
		Refused:  p.refused,
		Accepted: p.accepted,
	})), nil
}

// bridgeLimits are what sessions may cost.
func bridgeLimits(cfg *config.Config) bridge.Limits {
	l := &cfg.Limits
	return bridge.Limits{
		Sessions: l.Sessions, Dials: l.Dials,
		ConnectSize: int(l.ConnectSize), ConnectTimeout: l.ConnectTimeout,
		DialTimeout: cfg.Upstream.DialTimeout, ConnackTimeout: cfg.Upstream.ConnackTimeout,
		PacketSize: packetSize(l.PacketSize), PacketTimeout: l.PacketTimeout, WriteTimeout: l.WriteTimeout,
		KeepAliveGrace: cfg.Keepalive.Grace, IdleTimeout: cfg.Keepalive.IdleTimeout, TCPKeepAlive: cfg.Keepalive.TCP,
		PingInterval:  cfg.Downlink.PingInterval,
		Subscriptions: cfg.Quotas.Device.Subscriptions, TopicLevels: cfg.Quotas.Device.TopicLevels,
		SubscribeFilters: l.SubscribeFilters,
	}
}

// revoked is asked of devices with TLS, so there is a store then.
func (p *process) revoked(state *tls.ConnectionState) error { return p.deviceTLS.Load().Revoked(state) }

// packetSize takes 256MiB as all that MQTT allows, which is a few bytes more.
func packetSize(size config.Size) int {
	if size >= 256*config.MiB {
		return mqttio.MaxPacketSize
	}
	return int(size)
}

func (p *process) admit(r *http.Request) refusal.Refusal {
	if why := p.bridge.AdmitDevice(&bridge.Applicant{Address: host(r.RemoteAddr), Request: r}); why != nil {
		return why
	}
	return nil // not a nil pointer
}

// admission is what quotas and access contribute to the order in which the bridge refuses devices.
func (p *process) admission() bridge.Admission {
	return bridge.Admission{Address: p.quotas.Admit, Identify: admit, Identity: p.quotas.AdmitIdentity}
}

// health tells load balancers what the next device would hear, as /readyz tells the operator.
func (p *process) health() refusal.Answer {
	why := p.bridge.Admit("")
	if why == nil {
		why = p.unready()
	}
	if why != nil {
		return answer(why)
	}
	return refusal.Answer{Status: http.StatusOK, Text: "ready"}
}

func (p *process) refused(r *http.Request, why refusal.Refusal) {
	var err error
	if v := attemptOf(r); v != nil {
		err = v.err
	}
	cause, _ := why.(refusal.Cause)
	p.bridge.RefusedFor(reasonOf(why), r.RemoteAddr, r.UserAgent(), err, facts(r, cause, p.running.Load().Paths)...)
}

func (p *process) accepted(c *frame.Conn, r *http.Request) {
	pass := pass(r)
	share, why := p.quotas.Enter(host(r.RemoteAddr), identity(r))
	if why != nil {
		pass.Refuse = why
	}
	if share != nil {
		pass.Quota = share
	}
	p.bridge.StartWith(c, pass)
}

// reasonOf is the row of the table of reasons: the bridge's own as it came through wsio, and that of one of wsio's causes.
func reasonOf(why refusal.Refusal) *reason.Reason {
	if own, ok := why.(*reason.Reason); ok {
		return own
	}
	cause, _ := why.(refusal.Cause)
	return reason.ByLabel(string(cause))
}

// answer tells a refused device what the table of reasons says.
func answer(why refusal.Refusal) refusal.Answer {
	r := reasonOf(why)
	return refusal.Answer{Status: r.Status, RetryAfter: r.RetryAfter, Text: r.String()}
}

// answer is the same, with a challenge where the device has to prove who it is.
func (p *process) answer(why refusal.Refusal) refusal.Answer {
	a := answer(why)
	if a.Status == http.StatusUnauthorized {
		a.Challenge = p.access.current().challenge
	}
	return a
}

// addressHeaders are the words of addresses.header.
var addressHeaders = map[string]handshake.AddressHeader{"x-forwarded-for": handshake.XForwardedFor, "forwarded": handshake.Forwarded}

func peers(items []string) (listener.Peers, error) {
	prefixes, unix, err := config.ParsePeers(items)
	return listener.Peers{Prefixes: prefixes, Unix: unix}, err
}

// close ends everything that runs, at once.
func (p *process) close() {
	signal.Stop(p.hangups)
	p.cancel()
	p.closeListeners()
	if p.bridge != nil {
		p.devices.Close()
		p.admin.Close()
		p.bridge.Close()
	}
	if p.loops != nil {
		p.loops.Close()
	}
	if p.embedded != nil {
		p.embedded.Close()
	}
	p.wg.Wait()
}

package bridge

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/fairqueue"
	"mqtt-ws-bridge/bridge/loglimit"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/mqttio"
)

// Device is the end that a device is on: a connection whose Read gives the bytes of its packets.
type Device interface {
	net.Conn
	// WriteFrames sends consecutive runs of buf as one frame each: the first starts at mqttio.Headroom, each ends where ends
	// says. The bytes of buf are scratch afterwards, as are those before the first run.
	WriteFrames(buf []byte, ends []int) error
	// WriteProgress changes with every write that begins or ends, and is odd while one is under way.
	WriteProgress() uint32
	// Ping sends a ping of the framing below, if nothing is being written.
	Ping() error
	// Pending reports whether the next Read returns without one of the connection below.
	Pending() bool
	// NetConn is the connection below, and SetNetConn puts one in its place while nobody uses it.
	NetConn() net.Conn
	SetNetConn(nc net.Conn)
	// TLS is the state of the connection's TLS, nil if there is none.
	TLS() *tls.ConnectionState
	// CloseWith says goodbye with a close code and text, waits for the device to close, and closes.
	CloseWith(code int, text string, wait time.Duration) error
}

// Broker is an open connection to a broker.
type Broker struct {
	net.Conn
	// Name says which broker it is, for logs.
	Name string
	// Outcome hears whether the broker answered CONNECT on this connection; nil: nobody wants to know.
	Outcome *Outcome

	metrics *brokerMetrics // set by the session
}

// DeviceInfo is what is known of a device when a broker is dialled for it. It is not to be changed, nor kept after the dial.
type DeviceInfo struct {
	Connect *mqttio.Connect      // what it sent
	Addr    net.Addr             // its address, the same that is logged
	Local   net.Addr             // where it reached the bridge
	TLS     *tls.ConnectionState // nil: it does not speak TLS with the bridge
}

// Upstream knows the brokers.
type Upstream interface {
	// Ready reports whether a broker would answer now. It is asked for every handshake and must not wait.
	Ready() bool
	// Dial connects to a broker for a device. The caller owns the connection.
	Dial(ctx context.Context, device DeviceInfo) (Broker, error)
}

// Pending reports whether the next Read may return what has left the socket already, as TLS has it.
func (b *Broker) Pending() bool {
	p, ok := b.Conn.(interface{ Pending() bool })
	return ok && p.Pending()
}

// NetConn returns the connection.
func (b *Broker) NetConn() net.Conn { return b.Conn }

// SetNetConn puts a connection in place of the broker's.
func (b *Broker) SetNetConn(nc net.Conn) { b.Conn = nc }

// Limits bound what sessions may cost. All must be above zero unless said otherwise.
type Limits struct {
	Sessions         int           // at a time
	Dials            int           // connections to brokers being made at a time
	ConnectSize      int           // bytes of a CONNECT packet; at most mqttio.MaxWhole
	ConnectTimeout   time.Duration // from the upgrade to a whole CONNECT
	DialTimeout      time.Duration // from CONNECT to a connection, waiting for one of the Dials included
	ConnackTimeout   time.Duration // from the connection to CONNACK
	PacketSize       int           // bytes of any other packet
	PacketTimeout    time.Duration // for which either end may send nothing in the middle of a packet; 0: any
	WriteTimeout     time.Duration // for which either end may take no byte of what waits for it
	KeepAliveGrace   time.Duration // added to one and a half times the keep alive; may be 0
	IdleTimeout      time.Duration // for devices with keep alive 0; 0: none
	TCPKeepAlive     time.Duration // silence after which TCP asks a peer in sessions with keep alive 0; 0: never
	PingInterval     time.Duration // between pings of the framing below MQTT; 0: none
	Subscriptions    int           // that a session makes; 0: any
	TopicLevels      int           // of a topic or filter of the device; 0: any
	SubscribeFilters int           // of one SUBSCRIBE; 0: any
}

// Options make a [Bridge].
type Options struct {
	Upstream Upstream
	Limits   Limits
	Metrics  *Metrics
	Log      *slog.Logger
	// LogRate is how many lines a second refusals and ends of one reason may write, twice as many at once. What comes more often is
	// counted in a line. 0: any.
	LogRate int
	// LogConnects logs the begin of each session at level Info, not Debug.
	LogConnects bool
	// Register finds a registration for a session to wait in. It may replace the connections. Nil, or an error: it waits in its goroutines.
	Register func(s drive.Served, device, broker drive.Rewirable) (drive.Registration, error)
	// Admission is asked for every device.
	Admission Admission
	// Budget is asked for every session. Nil: it is as large as the limits.
	Budget Budget
	// Memory bounds what sessions hold. Its zero value does not.
	Memory MemoryLimits
	// Denial is what happens to what a policy denies.
	Denial Denial
	// Revoked says why the certificate that a device showed is good no longer; nil: it still is. It must not wait. A nil
	// function: none ever is.
	Revoked func(*tls.ConnectionState) error
}

// Bridge holds the sessions. It is safe for concurrent use.
type Bridge struct {
	upstream    Upstream
	bounds      current.Value[Limits] // see limits
	metrics     *Metrics
	log         *slog.Logger
	events      *loglimit.Limiter // of what happens to devices
	logConnects atomic.Bool
	register    func(s drive.Served, device, broker drive.Rewirable) (drive.Registration, error)
	revoked     func(*tls.ConnectionState) error
	start       time.Time
	budget      Budget
	memory      *memory
	admission   Admission
	order       []check // of admission
	denial      current.Value[Denial]
	dials       *fairqueue.Queue // of sessions that dial, grouped by address
	discards    chan struct{}    // large reads of what is forgotten; the buffer is the limit itself
	inspecting  *fairqueue.Queue // of sessions that look at many topic filters, grouped by address

	draining atomic.Bool
	lastID   atomic.Uint64
	count    atomic.Int64 // sessions, as in the map
	cost     atomic.Int64 // bytes that those have in any case
	attached atomic.Int64 // of them, those without goroutines

	mu       sync.Mutex
	sessions map[*session]struct{}
	closed   bool // nothing may start any more
	wg       sync.WaitGroup

	stopWatch context.CancelFunc
}

// New returns a bridge without sessions. Call [Bridge.Close] when it is no longer needed.
func New(opts Options) *Bridge {
	ctx, cancel := context.WithCancel(context.Background())
	if opts.Budget == nil {
		opts.Budget = boundless{}
	}
	b := &Bridge{
		upstream: opts.Upstream, metrics: opts.Metrics, log: opts.Log, start: time.Now(),
		events:    loglimit.New(opts.Log, opts.LogRate),
		register:  opts.Register,
		revoked:   opts.Revoked,
		budget:    opts.Budget,
		admission: opts.Admission, order: admissionOrder(),
		dials:      fairqueue.New(opts.Limits.Dials, opts.Limits.Sessions),
		discards:   make(chan struct{}, discardLarges),
		inspecting: fairqueue.New(inspections(), math.MaxInt), // each session waits once
		sessions:   make(map[*session]struct{}), stopWatch: cancel,
	}
	b.memory = newMemory(opts.Memory, b.now)
	b.metrics.registerMemory(b.memory)
	b.bounds.Store(&opts.Limits)
	b.denial.Store(&opts.Denial)
	b.logConnects.Store(opts.LogConnects)
	b.wg.Go(func() { b.watch(ctx) })
	b.wg.Go(func() { b.events.Run(ctx) })
	return b
}

// Sessions returns how many there are.
func (b *Bridge) Sessions() int { return int(b.count.Load()) }

// Start begins a session for dev, which it owns from now on, and returns at once. A device that cannot be taken any more is
// told so and closed.
func (b *Bridge) Start(dev Device) { b.StartWith(dev, Pass{}) }

// StartWith is Start for a device that was let in with a pass.
func (b *Bridge) StartWith(dev Device, pass Pass) {
	s := newSession(b, dev, pass)
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		dev.Close()
		s.leaveQuota()
		return
	}
	a := &Applicant{pass: pass, others: len(b.sessions), cost: b.cost.Load()}
	if a.full = a.others >= b.limits().Sessions; !a.full {
		b.sessions[s] = struct{}{}
		b.cost.Add(s.cost)
	}
	b.count.Store(int64(len(b.sessions)))
	b.wg.Add(1)
	b.mu.Unlock()
	s.traceConnected()
	s.recheck()
	if why := b.refuse(onUpgrade, a); why != nil {
		s.leaveQuota() // it takes its time to hear why, and counts for nothing meanwhile
		s.end(why, nil)
	}
	go s.run()
}

// forget is called by a session as the last thing it does.
func (b *Bridge) forget(s *session) {
	s.leaveQuota()
	b.mu.Lock()
	if _, ok := b.sessions[s]; ok {
		delete(b.sessions, s)
		b.cost.Add(-s.cost)
	}
	b.count.Store(int64(len(b.sessions)))
	b.mu.Unlock()
	b.wg.Done()
}

// snapshot returns the sessions of this moment.
func (b *Bridge) snapshot(into []*session) []*session {
	b.mu.Lock()
	defer b.mu.Unlock()
	into = into[:0]
	for s := range b.sessions {
		into = append(into, s)
	}
	return into
}

// now is the time since the bridge began, on the monotonic clock.
func (b *Bridge) now() time.Duration { return time.Since(b.start) }

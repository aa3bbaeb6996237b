package listener

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/wsio/refusal"
)

// Options say how a listener behind a gate treats connections. The zero value takes them as they come.
type Options struct {
	// Limits bound connections until they are a WebSocket. Zero: no limit.
	Limits Limits
	// TLS is spoken if it is not nil. What its GetConfigForClient returns must not change afterwards.
	TLS *tls.Config
	// RecordSize is how many bytes of content a TLS record to a device may have; 0: as many as TLS allows. A device that asks for
	// smaller records gets them, see [tlsrecords.Server].
	RecordSize int
	// ProxyProtocol are the peers whose connections begin with a PROXY header, version 1 or 2, in front of TLS.
	ProxyProtocol Peers
	// Computing bounds the TLS handshakes that use the processor at a time. Nil: any number do.
	Computing Slots
	// Shared returns the peers that speak for many devices, which only the request names: those that a header of the request is believed from. It is
	// asked for each connection. Nil: there are none.
	Shared func() Peers
	// AcceptFailed hears of failures to take a connection, and whether one is the first in a row. Nil: nobody does. See [Patient].
	AcceptFailed func(err error, first bool)
	// Refused hears of connections that end before a whole request came, and of the fact behind the cause, nil if there is no more to
	// say. It is called by Accept as well and must not wait. Nil: nobody does.
	Refused func(peer net.Addr, cause refusal.Cause, fact error)
	// Answer says what a peer that speaks HTTP is told. Its status counts where it is not refusal.CauseBadRequest. Nil: the cause alone.
	Answer func(why refusal.Refusal) refusal.Answer
	// MQTT makes the answer to a peer that begins with an MQTT packet instead of HTTP or TLS, of which head is what has come, and
	// says what the log may tell of it. It is asked again with more unless whole. Nil: there is no answer.
	MQTT func(head []byte, cause refusal.Cause) (answer []byte, fact error, whole bool)
}

// Slots are for a few of many that wait for one. They are safe for concurrent use.
type Slots interface {
	// Acquire waits for a slot until ctx ends. The error is nil with a slot, which is given back with Release.
	Acquire(ctx context.Context, device net.Addr) error
	Release(device net.Addr)
}

// Listener is a listener behind a gate. It is safe for concurrent use.
type Listener struct {
	net.Listener
	gate *Gate
	now  atomic.Pointer[gatedListener] // how connections are treated; never nil

	once  sync.Once
	done  chan struct{}
	close error
}

// Listener returns l behind the gate.
func (g *Gate) Listener(l net.Listener, opts Options) *Listener {
	gated := &Listener{Listener: Patient(l, opts.AcceptFailed), gate: g, done: make(chan struct{})}
	gated.Set(opts)
	return gated
}

// Set changes how connections are treated that are accepted from now on, with or without TLS too. AcceptFailed stays as it was.
func (l *Listener) Set(opts Options) {
	next := &gatedListener{gate: l.gate, opts: opts, done: l.done}
	if opts.TLS != nil {
		next.config = latestForDevices(opts.TLS)
	}
	l.now.Store(next)
}

// latestForDevices is a configuration as devices need it, and so is what it finds for a client.
func latestForDevices(config *tls.Config) *tls.Config {
	config = forDevices(config)
	if latest := config.GetConfigForClient; latest != nil {
		var last atomic.Pointer[[2]*tls.Config] // as it came and as it is used
		config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := latest(hello)
			if err != nil || c == nil {
				return c, err
			}
			known := last.Load()
			if known == nil || known[0] != c {
				known = &[2]*tls.Config{c, forDevices(c)}
				last.Store(known)
			}
			return known[1], nil
		}
	}
	return config
}

// forDevices is a configuration as devices need it.
func forDevices(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	// A frame that fits one TLS record shall travel in one (device-quirks D2): Go would begin with small records.
	config.DynamicRecordSizingDisabled = true
	if verify := config.VerifyConnection; verify != nil {
		config.VerifyConnection = func(state tls.ConnectionState) error {
			if err := verify(state); err != nil {
				return certificateError{err}
			}
			return nil
		}
	}
	return config
}

// gatedListener is how a listener treats the connections that it accepts at a time. It is not changed.
type gatedListener struct {
	gate   *Gate
	opts   Options
	config *tls.Config // nil: plain
	done   chan struct{}
}

// Accept waits for a connection, then for a slot at the gate. In the other order a listener to which nobody comes would keep a
// slot from the others.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		now := l.now.Load()
		c := newPending(nc, now)
		taken, err := now.enter(c)
		switch {
		case err != nil:
			c.abandon()
			_ = nc.Close() // nobody was told that it exists
			return nil, err
		case taken && now.config != nil:
			return pendingTLS{c}, nil
		case taken:
			return c, nil
		}
	}
}

// enter waits until a connection has a slot, or reports that there is none for it: then it is closed.
func (l *gatedListener) enter(c *Pending) (taken bool, err error) {
	peer := c.raw.RemoteAddr()
	shared := c.awaitsHeader() || l.opts.Shared != nil && l.opts.Shared().Has(peer)
	for {
		v := l.gate.enter(&c.spot, peer, shared)
		if v.victim != nil {
			v.victim.conn.drop(v)
		}
		if v.freed == nil {
			return v.victim != &c.spot, nil
		}
		if err := l.wait(v); err != nil {
			return false, err
		}
	}
}

// wait waits for a slot to come free, or for the time that the gate gives those who are there.
func (l *gatedListener) wait(v verdict) error {
	timer := time.NewTimer(v.wait)
	defer timer.Stop()
	select {
	case <-v.freed:
	case <-timer.C:
	case <-l.done:
		return net.ErrClosed
	}
	return nil
}

// Close stops Accept.
func (l *Listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.close = l.Listener.Close()
	})
	return l.close
}

package wsio

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/internal/tlsrecords"
)

// Limits bound what a connection may cost before it is a WebSocket.
type Limits struct {
	Handshakes       int           // connections that are not a WebSocket yet, over all listeners
	HandshakeTimeout time.Duration // from accept to the end of the request, the TLS handshake included
	HeaderSize       int           // bytes of request line and headers; net/http allows 4 KiB more
}

// NewServer returns an HTTP/1.1 server for devices: none of the clients of device-quirks opens a WebSocket over HTTP/2.
// Its own complaints about broken requests go to log at level debug: a stranger must not be able to fill the log.
func NewServer(h http.Handler, limits Limits, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:   h,
		Protocols: protocols,
		// Otherwise net/http answers OPTIONS * itself, with 200 and a connection that stays open.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            limits.HandshakeTimeout,
		ReadTimeout:                  limits.HandshakeTimeout,
		WriteTimeout:                 limits.HandshakeTimeout,
		IdleTimeout:                  limits.HandshakeTimeout,
		MaxHeaderBytes:               limits.HeaderSize,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// Gate counts the connections that are not a WebSocket yet and stops accepting while there are too many: each has a
// deadline, so places come free. One gate serves all listeners of a process; each of them holds one connection more, which
// waits for a place before a byte of it is read.
type Gate struct {
	places chan struct{}
}

// NewGate returns a gate with n places.
func NewGate(n int) *Gate { return &Gate{places: make(chan struct{}, n)} } // the buffer is the limit itself

// ListenerOptions say how a listener behind a gate treats connections. The zero value takes them as they come.
type ListenerOptions struct {
	// TLS is spoken if it is not nil. What its GetConfigForClient returns must not change afterwards.
	TLS *tls.Config
	// ProxyProtocol are the peers whose connections begin with a PROXY header, version 1 or 2, in front of TLS.
	ProxyProtocol Peers
	// HeaderTimeout is how long such a header may take. Must be above zero if there are such peers.
	HeaderTimeout time.Duration
	// AcceptFailed hears of failures to take a connection, and whether one is the first in a row. Nil: nobody does. See [Patient].
	AcceptFailed func(err error, first bool)
	// Refused hears of connections that had to have a PROXY header and had no good one. Nil: nobody does.
	Refused func(peer net.Addr, cause Cause, err error)
}

// Listener returns l behind the gate.
func (g *Gate) Listener(l net.Listener, opts ListenerOptions) net.Listener {
	l = &gatedListener{Listener: Patient(l, opts.AcceptFailed), gate: g, done: make(chan struct{})}
	if opts.ProxyProtocol.Unix || len(opts.ProxyProtocol.Prefixes) > 0 {
		l = &proxyListener{Listener: l, opts: opts}
	}
	if opts.TLS == nil {
		return l
	}
	config := forDevices(opts.TLS)
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
	return tls.NewListener(tlsrecords.Listener(l), config)
}

// forDevices is a configuration as devices need it.
func forDevices(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	// A frame that fits one TLS record shall travel in one (device-quirks D2): Go would begin with small records.
	config.DynamicRecordSizingDisabled = true
	return config
}

type gatedListener struct {
	net.Listener
	gate  *Gate
	once  sync.Once
	done  chan struct{}
	close error
}

// Accept waits for a connection, then for a free place. In the other order a listener to which nobody comes would keep a
// place from the others.
func (l *gatedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	select {
	case l.gate.places <- struct{}{}:
		return &gatedConn{Conn: nc, gate: l.gate}, nil
	case <-l.done:
		_ = nc.Close() // nobody was told that it exists
		return nil, net.ErrClosed
	}
}

// Close stops Accept.
func (l *gatedListener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.close = l.Listener.Close()
	})
	return l.close
}

// gatedConn holds a place at the gate until it is closed or released.
type gatedConn struct {
	net.Conn
	gate *Gate
	left sync.Once
}

func (c *gatedConn) leave() { c.left.Do(func() { <-c.gate.places }) }

// Close gives the place back.
func (c *gatedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// NetConn returns the connection below.
func (c *gatedConn) NetConn() net.Conn { return c.Conn }

// release gives back the place at the gate of a connection that became a WebSocket, and takes the wrappers off where nothing
// else refers to them. device is what a PROXY header said that came off with them, and early what they had read and nobody has
// taken yet.
func release(nc net.Conn) (below net.Conn, device net.Addr, early []byte) {
	if t, ok := nc.(*tls.Conn); ok {
		c := tlsrecords.Gather(t)
		if socket := c.Socket(); socket != nil {
			// Nothing came early that TLS has not taken: its first read has room for more than what is read with a PROXY header.
			socket, device, _ = release(socket)
			c.SetSocket(socket)
		}
		return c, device, nil
	}
	if p, ok := nc.(*proxiedConn); ok {
		nc, device, early = p.Conn, p.device, p.early
	}
	if g, ok := nc.(*gatedConn); ok {
		g.leave()
		nc = g.Conn
	}
	return nc, device, early
}

// wrapper is a connection with another below it.
type wrapper interface{ NetConn() net.Conn }

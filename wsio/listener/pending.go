package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/wsio/refusal"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

// Phases of a Pending.
const (
	phaseRequest = iota // no whole request has come yet
	phaseHandler        // the handler answers it
	phaseOver           // it was refused, was dropped, or is a WebSocket
)

// Pending is a connection that is not a WebSocket yet, as net/http reads it. Its first use reads the PROXY header if there has to
// be one and makes the TLS handshake, in the connection's own goroutine.
type Pending struct {
	// Set once.
	raw      net.Conn
	low      *stream // raw behind its PROXY header
	listener *gatedListener
	deadline time.Time          // for the whole request; zero: none
	ctx      context.Context    // of the TLS handshake: it ends with the deadline or the connection; nil without TLS
	cancel   context.CancelFunc // of ctx

	spot  entry // guarded by the gate
	phase atomic.Int32
	heard atomic.Bool // a peer that has to send a PROXY header has done so: it may be spoken to

	opening sync.Once
	opened  bool
	device  net.Addr                 // from a PROXY header; nil: the peer itself
	tls     atomic.Pointer[tls.Conn] // nil: not yet, or none

	// Owned by the goroutine that reads the request.
	request requestSize

	answering sync.Mutex // held across writes of the handler's answer
	answered  bool       // guarded by answering
}

func newPending(nc net.Conn, l *gatedListener) *Pending {
	c := &Pending{raw: nc, low: &stream{Conn: nc}, listener: l}
	c.spot.conn = c
	if limit := l.opts.Limits.HandshakeTimeout; limit > 0 {
		c.deadline = time.Now().Add(limit)
	}
	if l.config != nil {
		c.ctx, c.cancel = context.WithCancel(context.Background())
		if !c.deadline.IsZero() {
			c.ctx, c.cancel = context.WithDeadline(context.Background(), c.deadline)
		}
	}
	return c
}

// pendingTLS is one with TLS, of which net/http asks the state.
type pendingTLS struct{ *Pending }

// ConnectionState makes the handshake; the state is empty if it fails.
func (c pendingTLS) ConnectionState() tls.ConnectionState {
	if !c.open() {
		return tls.ConnectionState{}
	}
	return c.tls.Load().ConnectionState()
}

// pendingBelow returns the pending connection that nc is, or nil.
func pendingBelow(nc net.Conn) *Pending {
	switch c := nc.(type) {
	case *Pending:
		return c
	case pendingTLS:
		return c.Pending
	}
	return nil
}

// awaitsHeader reports whether the connection has to begin with a PROXY header.
func (c *Pending) awaitsHeader() bool {
	return c.listener.opts.ProxyProtocol.Has(c.raw.RemoteAddr())
}

// open does what comes before the request. It reports whether there may be one.
func (c *Pending) open() bool {
	c.opening.Do(func() {
		defer func() { // net/http does not: it asks for the address before anything else
			if fault := recover(); fault != nil {
				c.refuse(refusal.CauseInternal, fmt.Errorf("panic: %v at %s", fault, debug.Stack()), nil)
			}
		}()
		_ = c.raw.SetDeadline(c.deadline) // on a connection that is closed, reading says so
		c.opened = c.readHeader() && (c.listener.config == nil || c.handshake())
	})
	return c.opened
}

// readHeader reads the PROXY header, if there has to be one.
func (c *Pending) readHeader() bool {
	if !c.awaitsHeader() {
		c.heard.Store(true)
		return true
	}
	device, early, err := readProxyHeader(c.raw)
	switch {
	case errors.Is(err, errSilent):
		c.refuse(refusal.CauseNoRequest, nil, nil)
		return false
	case err != nil:
		c.refuse(refusal.CauseProxyHeader, err, nil)
		return false
	}
	c.heard.Store(true)
	c.low.early = early
	c.device = device
	if device == nil { // the proxy itself: it sees whether somebody is here
		device = c.raw.RemoteAddr()
	}
	c.CountFor(device)
	return true
}

// CountFor has the gate count the connection for a device, once it is known whose it is.
func (c *Pending) CountFor(device net.Addr) {
	if v := c.listener.gate.move(&c.spot, device); v.victim != nil {
		v.victim.conn.drop(v)
	}
}

// Leave gives back the slot at the gate of a connection whose [Release] kept it.
func (c *Pending) Leave() { c.listener.gate.leave(&c.spot) }

// Deadline is the end of the time for the whole handshake; zero: none.
func (c *Pending) Deadline() time.Time { return c.deadline }

// conn is what requests are read from.
func (c *Pending) conn() net.Conn {
	if t := c.tls.Load(); t != nil {
		return t
	}
	return c.low
}

// write writes to the peer.
func (c *Pending) write(p []byte) (int, error) {
	if t := c.tls.Load(); t != nil {
		return tlsrecords.Write(t, p)
	}
	return c.low.Write(p)
}

// Read reads the request, and what follows it.
func (c *Pending) Read(p []byte) (int, error) {
	if !c.open() {
		return 0, io.EOF // which net/http does not answer
	}
	n, err := c.conn().Read(p)
	if c.phase.Load() != phaseRequest {
		return n, err
	}
	if n > 0 && c.request.size == 0 && c.foreign(p[:n]) {
		return 0, io.EOF
	}
	limit := c.listener.opts.Limits.HeaderSize
	if c.request.add(p[:n]); limit > 0 && c.request.size > limit {
		c.refuse(refusal.CauseRequestTooLarge, fmt.Errorf("more than %d bytes", limit), c.answer(refusal.CauseRequestTooLarge, http.StatusRequestHeaderFieldsTooLarge, ""))
		return 0, io.EOF
	}
	if err != nil && !c.request.ended {
		c.fail(err)
	}
	return n, err
}

// fail says why no whole request came.
func (c *Pending) fail(err error) {
	size := c.request.size
	switch {
	case errors.Is(err, net.ErrClosed):
	case timedOut(err) && size == 0 && c.tls.Load() == nil:
		c.refuse(refusal.CauseHandshakeTimeout, errors.New("not a byte came"), nil)
	case timedOut(err):
		c.refuse(refusal.CauseHandshakeTimeout, fmt.Errorf("%d bytes of the request came", size), c.answer(refusal.CauseHandshakeTimeout, http.StatusRequestTimeout, ""))
	case size == 0 && c.tls.Load() != nil: // some libraries look at the certificate only now
		c.refuse(refusal.CauseNoRequest, errors.New("it closed after the TLS handshake; it may not accept the certificate or its name"), nil)
	case size == 0:
		c.refuse(refusal.CauseNoRequest, nil, nil)
	default:
		c.refuse(refusal.CauseRequestIncomplete, fmt.Errorf("%d bytes of the request came", size), nil)
	}
}

// Write writes the handler's answer. What net/http answers by itself, to a request that it does not take, becomes a refusal.
func (c *Pending) Write(p []byte) (int, error) {
	if !c.open() {
		return 0, net.ErrClosed
	}
	if status, fact, ok := ownAnswer(p); ok && c.phase.Load() == phaseRequest {
		cause := refusal.CauseBadRequest
		if status == http.StatusRequestHeaderFieldsTooLarge {
			cause = refusal.CauseRequestTooLarge
		}
		c.refuse(cause, errors.New(fact), c.answer(cause, status, fact))
		return len(p), nil
	}
	c.answering.Lock()
	defer c.answering.Unlock()
	if c.phase.Load() == phaseOver {
		return len(p), nil // the rest of an answer that was replaced
	}
	c.answered = true
	return c.write(p)
}

// refuse reports the end of a connection without a whole request, once, and tells the peer.
func (c *Pending) refuse(cause refusal.Cause, fact error, answer []byte) {
	if !c.phase.CompareAndSwap(phaseRequest, phaseOver) {
		return
	}
	c.report(cause, fact)
	if len(answer) > 0 {
		c.say(answer)
	}
}

// report tells the listener's owner.
func (c *Pending) report(cause refusal.Cause, fact error) {
	peer := c.device
	if peer == nil {
		peer = c.raw.RemoteAddr()
	}
	c.tell(peer, cause, fact)
}

func (c *Pending) tell(peer net.Addr, cause refusal.Cause, fact error) {
	if c.listener.opts.Refused != nil {
		c.listener.opts.Refused(peer, cause, fact)
	}
}

const (
	refusedTime  = 250 * time.Millisecond
	refusedBytes = 64 << 10
)

// say tells the peer why its connection ends. What it has sent and nobody read would have its system throw the answer away, so some of
// that is read.
func (c *Pending) say(answer []byte) {
	_ = c.raw.SetDeadline(time.Now().Add(refusedTime))
	if _, err := c.write(answer); err == nil {
		c.linger()
	}
}

// linger ends the direction to the peer and waits for it to do the same.
func (c *Pending) linger() {
	type halfCloser interface{ CloseWrite() error }
	_ = c.raw.SetDeadline(time.Now().Add(refusedTime))
	if t := c.tls.Load(); t != nil {
		_ = t.CloseWrite()
	}
	if h, ok := c.raw.(halfCloser); ok && h.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, struct{ io.Reader }{c.raw}, refusedBytes)
	}
}

// drop ends a connection that has lost its slot at the gate, and tells the peer if it was told nothing yet. It is called by others than the
// connection's own goroutine and does not wait: what it writes, it writes into an empty buffer.
func (c *Pending) drop(v verdict) {
	free := c.answering.TryLock() // otherwise an answer is on its way
	if c.phase.Swap(phaseOver) != phaseOver {
		c.tell(v.device, v.cause, nil)
		if free && !c.answered && c.hears() {
			_ = c.raw.SetWriteDeadline(time.Now().Add(dropTime))
			_, _ = c.write(c.answer(v.cause, http.StatusServiceUnavailable, ""))
		}
	}
	if free {
		c.answering.Unlock()
	}
	c.abandon()
	_ = c.raw.Close()
}

// abandon ends the wait of the TLS handshake for a slot to compute in.
func (c *Pending) abandon() {
	if c.cancel != nil {
		c.cancel()
	}
}

// hears reports whether the peer could read an HTTP response now.
func (c *Pending) hears() bool {
	return (c.heard.Load() || !c.awaitsHeader()) && (c.listener.config == nil || c.tls.Load() != nil)
}

const dropTime = time.Second // for the end of a pipe: a socket with an empty buffer never makes a writer wait

// Close gives the slot back.
func (c *Pending) Close() error {
	c.listener.gate.leave(&c.spot)
	c.abandon()
	if t := c.tls.Load(); t != nil && c.phase.Load() != phaseOver {
		return t.Close()
	}
	return c.raw.Close()
}

// CloseWrite ends the direction to the peer.
func (c *Pending) CloseWrite() error {
	if h, ok := c.conn().(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return nil
}

// RemoteAddr returns the address in the PROXY header, or the peer's.
func (c *Pending) RemoteAddr() net.Addr {
	if c.open(); c.device != nil {
		return c.device
	}
	return c.raw.RemoteAddr()
}

// LocalAddr returns the bridge's address.
func (c *Pending) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// SetDeadline sets both deadlines.
func (c *Pending) SetDeadline(t time.Time) error { return c.raw.SetDeadline(c.bounded(t)) }

// SetReadDeadline sets the deadline of Read.
func (c *Pending) SetReadDeadline(t time.Time) error { return c.raw.SetReadDeadline(c.bounded(t)) }

// SetWriteDeadline sets the deadline of Write.
func (c *Pending) SetWriteDeadline(t time.Time) error { return c.raw.SetWriteDeadline(t) }

// bounded is a deadline that is not after that of the request, while there is none.
func (c *Pending) bounded(t time.Time) time.Time {
	if c.phase.Load() == phaseRequest && !c.deadline.IsZero() && (t.IsZero() || t.After(c.deadline)) {
		return c.deadline
	}
	return t
}

// Release gives back the slot at the gate of a connection that became a WebSocket, unless it keeps it, and takes the wrappers off
// where nothing else refers to them. device is what a PROXY header said that came off with them, and early what they had read and nobody has
// taken yet.
func Release(nc net.Conn, keep bool) (below net.Conn, device net.Addr, early []byte) {
	c := pendingBelow(nc)
	if c == nil {
		return nc, nil, nil
	}
	if !keep {
		c.listener.gate.leave(&c.spot)
	}
	c.answering.Lock()
	c.phase.Store(phaseOver)
	c.answering.Unlock()
	if t := c.tls.Load(); t != nil {
		secure := tlsrecords.Gather(t)
		if len(c.low.early) == 0 { // TLS has taken what was read before it
			secure.SetSocket(c.raw)
		}
		return secure, c.device, nil
	}
	return c.raw, c.device, c.low.early
}

// stream is a connection of which some bytes have been read already.
type stream struct {
	net.Conn
	early   []byte     // belongs to the goroutine that reads
	compute *computing // nil but during a TLS handshake
	tail    alertTail
}

// Read returns these bytes first.
func (s *stream) Read(p []byte) (int, error) {
	if len(s.early) == 0 {
		if s.compute == nil {
			n, err := s.Conn.Read(p)
			s.tail.add(p[:n])
			return n, err
		}
		s.compute.end()
		n, err := s.Conn.Read(p)
		s.tail.add(p[:n])
		if wait := s.compute.begin(); wait != nil && err == nil {
			return 0, wait
		}
		return n, err
	}
	n := copy(p, s.early)
	if s.early = s.early[n:]; len(s.early) == 0 {
		s.early = nil
	}
	return n, nil
}

// Write writes; during a TLS handshake a peer that takes nothing keeps no slot.
func (s *stream) Write(p []byte) (int, error) {
	if s.compute == nil {
		return s.Conn.Write(p)
	}
	s.compute.end()
	n, err := s.Conn.Write(p)
	if wait := s.compute.begin(); wait != nil && err == nil {
		err = wait
	}
	return n, err
}

// peek returns what comes next, at least one byte.
func (s *stream) peek() ([]byte, error) {
	if len(s.early) == 0 {
		first := make([]byte, 5) // the header of a TLS record
		n, err := s.Conn.Read(first)
		for n == 0 && err == nil {
			n, err = s.Conn.Read(first)
		}
		if n == 0 {
			return nil, err
		}
		s.early = first[:n]
	}
	return s.early, nil
}

// NetConn returns the connection below.
func (s *stream) NetConn() net.Conn { return s.Conn }

// timedOut reports whether a deadline ended a read or a handshake.
func timedOut(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}

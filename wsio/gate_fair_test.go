package wsio_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// addressedConn is an end of a pipe whose other end has an address.
type addressedConn struct {
	net.Conn
	peer net.Addr
}

func (c addressedConn) RemoteAddr() net.Addr { return c.peer }

// waitingRoom is a listener behind a gate in a bubble, with whom it accepted.
type waitingRoom struct {
	t        *testing.T
	pipes    *pipeListener
	l        net.Listener
	accepted chan net.Conn
	port     uint16

	mu      sync.Mutex
	dropped map[string]refusal.Cause // by address with port; guarded by mu
}

func newWaitingRoom(t *testing.T, gate listener.GateOptions, opts listener.Options) *waitingRoom {
	r := &waitingRoom{t: t, pipes: newPipeListener(), accepted: make(chan net.Conn, 1000), dropped: make(map[string]refusal.Cause)}
	opts.Refused = func(peer net.Addr, cause refusal.Cause, _ error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.dropped[peer.String()] = cause
	}
	r.l = listener.NewGate(gate).Listener(r.pipes, opts)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := r.l.Accept()
			if err != nil {
				return
			}
			r.accepted <- nc
		}
	}()
	t.Cleanup(func() {
		_ = r.l.Close()
		<-ended
	})
	return r
}

// comes has a peer connect from an address, and returns the address with its port.
func (r *waitingRoom) comes(ip string) string {
	r.t.Helper()
	device, bridge := net.Pipe()
	r.t.Cleanup(func() { _ = device.Close() })
	go func() { _, _ = io.Copy(io.Discard, device) }()
	r.port++
	peer := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), r.port))
	go r.pipes.offer(addressedConn{bridge, peer})
	synctest.Wait()
	return peer.String()
}

// wants holds how many were accepted, and who was dropped since, against what should be.
func (r *waitingRoom) wants(accepted int, dropped map[string]refusal.Cause) {
	r.t.Helper()
	synctest.Wait()
	if n := len(r.accepted); n != accepted {
		r.t.Errorf("%d were accepted, want %d", n, accepted)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if fmt.Sprint(r.dropped) != fmt.Sprint(dropped) {
		r.t.Errorf("dropped were %v, want %v", r.dropped, dropped)
	}
}

type drops = map[string]refusal.Cause

// TestGateTakesFromTheGreedy: with all slots taken, the address that has most of them loses its oldest to one from elsewhere.
func TestGateTakesFromTheGreedy(t *testing.T) {
	for name, attacker := range map[string]func(i int) string{
		"IPv4":     func(int) string { return "192.0.2.1" },
		"IPv6 /64": func(i int) string { return fmt.Sprintf("2001:db8::%x:1", i+1) },
		"mapped":   func(int) string { return "::ffff:192.0.2.1" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWaitingRoom(t, listener.GateOptions{Handshakes: 4, Grace: time.Minute}, listener.Options{})
				var greedy []string
				for i := range 4 {
					greedy = append(greedy, r.comes(attacker(i)))
					time.Sleep(time.Millisecond)
				}
				r.comes("198.51.100.1")
				r.comes("2001:db8:1::1")
				r.wants(6, drops{greedy[0]: refusal.CauseHandshakesFull, greedy[1]: refusal.CauseHandshakesFull})
			})
		})
	}
}

// TestGateRefusesTheCrowd: a newcomer of the address that has the most is not served at the cost of one before it, until that has had
// its time: each would be dropped before it is done otherwise.
func TestGateRefusesTheCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitingRoom(t, listener.GateOptions{Handshakes: 3, Grace: time.Minute}, listener.Options{})
		first := r.comes("192.0.2.1")
		r.comes("192.0.2.1")
		r.comes("192.0.2.1")
		late := r.comes("192.0.2.1")
		r.wants(3, drops{late: refusal.CauseHandshakesFull})
		time.Sleep(2 * time.Minute)
		r.comes("192.0.2.1")
		r.wants(4, drops{late: refusal.CauseHandshakesFull, first: refusal.CauseHandshakesFull})
	})
}

// TestGateWaitsForTheEven: where no address has more than a fair share, a newcomer waits until the oldest has had its time.
func TestGateWaitsForTheEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitingRoom(t, listener.GateOptions{Handshakes: 3, Grace: time.Minute}, listener.Options{})
		first := r.comes("192.0.2.1")
		time.Sleep(time.Second)
		r.comes("192.0.2.2")
		r.comes("192.0.2.3")
		r.comes("192.0.2.4")
		r.wants(3, drops{})
		time.Sleep(time.Minute)
		r.wants(4, drops{first: refusal.CauseHandshakesFull})
	})
}

// TestGateTrustsSharedPeers: many connections of a proxy are no greed, but each has to say soon for whom it speaks.
func TestGateTrustsSharedPeers(t *testing.T) {
	proxy := netip.MustParsePrefix("192.0.2.1/32")
	for name, opts := range map[string]listener.Options{
		"PROXY header": {ProxyProtocol: listener.Peers{Prefixes: []netip.Prefix{proxy}}},
		"HTTP":         {Shared: func() listener.Peers { return listener.Peers{Prefixes: []netip.Prefix{proxy}} }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWaitingRoom(t, listener.GateOptions{Handshakes: 4, Grace: time.Minute}, opts)
				first := r.comes("192.0.2.1")
				r.comes("192.0.2.1")
				alone := r.comes("198.51.100.1")
				r.comes("198.51.100.1")
				r.comes("203.0.113.1")
				r.wants(5, drops{alone: refusal.CauseHandshakesFull})
				time.Sleep(time.Second)
				r.comes("203.0.113.2")
				r.wants(6, drops{alone: refusal.CauseHandshakesFull, first: refusal.CauseHandshakesFull})
			})
		})
	}
}

// TestGatePerAddress: an address has no more handshakes under way than it may have connections.
func TestGatePerAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWaitingRoom(t, listener.GateOptions{Handshakes: 100, PerAddress: 2}, listener.Options{})
		first := r.comes("192.0.2.1")
		r.comes("192.0.2.1")
		r.comes("192.0.2.2")
		r.wants(3, drops{})
		r.comes("192.0.2.1")
		r.wants(4, drops{first: refusal.CauseAddressConnections})
	})
}

// TestGateUnderChurn: whatever comes and goes in whatever order, there are never more than the limit and each slot is found again.
func TestGateUnderChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 16
		r := newWaitingRoom(t, listener.GateOptions{Handshakes: slots, Grace: time.Second}, listener.Options{})
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 1))
		var open []net.Conn
		for range 2000 {
			if random.IntN(3) > 0 {
				r.comes(fmt.Sprintf("192.0.2.%d", random.IntN(1+random.IntN(30))))
			} else if len(open) > 0 {
				i := random.IntN(len(open))
				_ = open[i].Close()
				open = append(open[:i], open[i+1:]...)
			}
			time.Sleep(time.Duration(random.IntN(200)) * time.Millisecond)
			for synctest.Wait(); len(r.accepted) > 0; {
				open = append(open, <-r.accepted)
			}
			open = alive(open)
			if len(open) > slots {
				t.Fatalf("seed %d: %d are open", seed, len(open))
			}
		}
		for _, nc := range open {
			_ = nc.Close()
		}
		time.Sleep(time.Minute)
		for synctest.Wait(); len(r.accepted) > 0; {
			_ = (<-r.accepted).Close()
		}
		for i := range slots {
			r.comes(fmt.Sprintf("203.0.113.%d", i))
		}
		if n := len(r.accepted); n != slots {
			t.Errorf("seed %d: %d slots are left of %d", seed, n, slots)
		}
	})
}

// alive leaves out the connections that the gate has closed.
func alive(all []net.Conn) (open []net.Conn) {
	for _, nc := range all {
		if err := nc.SetWriteDeadline(time.Time{}); !errors.Is(err, io.ErrClosedPipe) {
			open = append(open, nc)
		}
	}
	return open
}

package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// connect opens a TCP connection to host:port. A host with several addresses is tried at each; those that hung lately come last.
func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	nd := net.Dialer{KeepAlive: -1} // what becomes of a silent broker is for the session to say
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nd.DialContext(ctx, "tcp", address)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	addrs = d.slow.last(addrs[:min(len(addrs), mostAddresses)])
	r := race{n: len(addrs), extra: d.extra, pause: func(int) time.Duration { return stagger },
		try: func(ctx context.Context, i int) (net.Conn, error) {
			return nd.DialContext(ctx, "tcp", net.JoinHostPort(addrs[i].Unmap().String(), port))
		}}
	won, lost := r.run(ctx)
	var errs []error
	for _, a := range lost {
		if a.hung {
			d.slow.note(addrs[a.i])
		}
		errs = append(errs, a.err)
	}
	if won == nil {
		return nil, together(errs)
	}
	return won.nc, nil
}

// mostAddresses is how many addresses of a name are tried: the answer comes from outside.
const mostAddresses = 16

const (
	slowFor  = 30 * time.Second // an address that hung comes last
	slowMost = 64               // addresses that are remembered
)

// slowAddresses remembers which addresses hung lately. The zero value remembers none. Safe for concurrent use.
type slowAddresses struct {
	mu    sync.Mutex
	until map[netip.Addr]time.Time
}

// note remembers an address for a while.
func (s *slowAddresses) note(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = make(map[netip.Addr]time.Time)
	}
	now := time.Now()
	for addr, until := range s.until {
		if now.After(until) || len(s.until) >= slowMost {
			delete(s.until, addr)
		}
	}
	s.until[a] = now.Add(slowFor)
}

// last returns the addresses in their order, those that are remembered behind the others.
func (s *slowAddresses) last(addrs []netip.Addr) []netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	slow := func(a netip.Addr) bool { return now.Before(s.until[a]) }
	return slices.Concat(
		slices.DeleteFunc(slices.Clone(addrs), slow),
		slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !slow(a) }))
}

package upstream_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/loopback"
)

// blackHole returns an address where SYN packets are dropped: nobody accepts there, and the queue is full.
func blackHole(t *testing.T) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	host := netip.MustParseAddr(loopback.Host())
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: host.As4()}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := netip.AddrPortFrom(host, uint16(sa.(*syscall.SockaddrInet4).Port))
	for range 16 {
		nc, err := net.DialTimeout("tcp", address.String(), 250*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { nc.Close() })
	}
	t.Fatal("the queue does not fill")
	return address
}

// TestBlackHole: the first of two brokers answers no SYN.
func TestBlackHole(t *testing.T) {
	hole := parse(t, "tcp://"+blackHole(t).String())
	good := listen(t, "tcp", elsewhere(), echo)
	p := newPool(t, new(lines), func(o *upstream.Options) { o.DialTimeout = long }, hole, tcpURL(t, good.Addr()))
	for range 3 {
		if name, took := dialTimed(t, p); name == hole.String() || took > long/4 {
			t.Errorf("%s is dialled after %v", name, took)
		}
	}
}

// TestBlackHoleBehindName: the same of the addresses of one broker's name.
func TestBlackHoleBehindName(t *testing.T) {
	hole := blackHole(t)
	good := listen(t, "tcp", net.JoinHostPort(loopback.Host(), strconv.Itoa(int(hole.Port()))), echo)
	at := netip.MustParseAddrPort(good.Addr().String())
	resolveTo(t, hole.Addr(), at.Addr())
	u := &url.URL{Scheme: "tcp", Host: "two.broker.test:" + strconv.Itoa(int(hole.Port()))}
	p := newPool(t, new(lines), func(o *upstream.Options) { o.DialTimeout = long }, u)
	for range 3 {
		if _, took := dialTimed(t, p); took > long/4 {
			t.Errorf("the broker is dialled after %v", took)
		}
	}
	eventually(t, "the address that works is reached each time", func() bool { return good.accepted() == 3 })
}

// resolveTo answers every question for a name with these IPv4 addresses, in this order, until the test ends.
func resolveTo(t *testing.T, addrs ...netip.Addr) {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(dnsAnswer(buf[:n], addrs), from)
		}
	}()
	wasGo, wasDial := net.DefaultResolver.PreferGo, net.DefaultResolver.Dial
	net.DefaultResolver.PreferGo = true
	net.DefaultResolver.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}
	t.Cleanup(func() {
		net.DefaultResolver.PreferGo, net.DefaultResolver.Dial = wasGo, wasDial
		server.Close()
		<-done
	})
}

// dnsAnswer answers a query of one question: RFC 1035 section 4.1. What is not a question for A has no answer.
func dnsAnswer(query []byte, addrs []netip.Addr) []byte {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root, type and class
	if binary.BigEndian.Uint16(query[end-4:]) != 1 {
		addrs = nil
	}
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, byte(len(addrs)), 0, 0, 0, 0}, query[12:end]...)
	for _, a := range addrs {
		ip := a.As4()
		out = append(out, 0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, ip[:]...)
	}
	return out
}

package upstream_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// long is a dial timeout that no test waits for.
const long = time.Minute

// dialTimed dials with a session's time and reports which broker it was and after what time.
func dialTimed(t *testing.T, p *upstream.Pool) (name string, took time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	began := time.Now()
	b, err := p.Dial(ctx, bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return b.Name, time.Since(began)
}

// mute is a broker that takes connections and leaves the TLS handshake unanswered. It counts those that are open and all.
func mute(t *testing.T, open, ever *atomic.Int64) *url.URL {
	l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
		ever.Add(1)
		open.Add(1)
		hear(nc)
		open.Add(-1)
	})
	return parse(t, "tls://"+l.Addr().String())
}

// TestHangingBrokersAreOvertaken: while brokers hang, the next is tried beside them; the attempts that lose are closed, and after
// some the brokers that hang are tried last.
func TestHangingBrokersAreOvertaken(t *testing.T) {
	for _, n := range []int{1, 2} {
		var open, ever atomic.Int64
		var urls []*url.URL
		for range n {
			urls = append(urls, mute(t, &open, &ever))
		}
		good := listen(t, "tcp", elsewhere(), echo)
		urls = append(urls, tcpURL(t, good.Addr()))
		p := newPool(t, new(lines), func(o *upstream.Options) { o.DialTimeout = long }, urls...)
		for range 2 {
			if name, took := dialTimed(t, p); name != urls[n].String() || took > long/2 {
				t.Fatalf("with %d brokers that hang, %s is dialled after %v", n, name, took)
			}
			eventually(t, "no attempt is left", func() bool { return open.Load() == 0 })
		}
		tried := ever.Load()
		if name, _ := dialTimed(t, p); name != urls[n].String() || ever.Load() != tried {
			t.Errorf("the brokers that hung twice are tried first again, and %s is dialled", name)
		}
	}
}

// TestFarBrokerIsNotOvertaken: devices of a broker that is far away stay with it: its attempts get several times what they usually
// take before another broker is tried.
func TestFarBrokerIsNotOvertaken(t *testing.T) {
	a := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{a.issue()}}
	far := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
		time.Sleep(400 * time.Millisecond) // the way there and back
		echo(tls.Server(nc, config))
	})
	near := listen(t, "tcp", elsewhere(), echo)
	u := parse(t, "tls://"+far.Addr().String())
	p := newPool(t, new(lines), func(o *upstream.Options) {
		o.DialTimeout, o.TLS = long, always(&tls.Config{RootCAs: a.pool})
	}, u, tcpURL(t, near.Addr()))
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if name, _ := dialTimed(t, p); name != u.String() {
			t.Fatalf("%s is dialled", name)
		}
	}
}

// TestManyOvertake: however many devices connect at once while a broker hangs, all of them connect.
func TestManyOvertake(t *testing.T) {
	var open atomic.Int64
	good := listen(t, "tcp", elsewhere(), echo)
	p := newPool(t, new(lines), func(o *upstream.Options) { o.DialTimeout = long }, mute(t, &open, new(atomic.Int64)), tcpURL(t, good.Addr()))
	const devices = 200
	errs := make(chan error, devices)
	for range devices {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), long)
			defer cancel()
			b, err := p.Dial(ctx, bridge.DeviceInfo{})
			if err == nil {
				b.Close()
			}
			errs <- err
		}()
	}
	for range devices {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	eventually(t, "no attempt is left", func() bool { return open.Load() == 0 })
}

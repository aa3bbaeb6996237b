package upstream_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// TestHungBroker: the kernel takes connections for a broker that hangs. What counts is whether it answers CONNECT.
func TestHungBroker(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) { _, _ = nc.Read(make([]byte, 1)) })
	target := parse(t, "tcp://"+l.Addr().String())
	const interval = 300 * time.Millisecond
	p := newPool(t, new(lines), func(o *upstream.Options) { o.HealthInterval = interval }, target)
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		outcome(t, p).Unanswered()
	}
	if !p.Ready() {
		t.Fatal("down after two devices without an answer")
	}
	var down time.Time
	early := func() bool { return p.Ready() && time.Since(down) < interval } // after it, on a slow machine, it may be ready
	down = time.Now()
	outcome(t, p).Unanswered()
	if early() {
		t.Fatal("ready after three devices without an answer")
	}
	if _ = p.Check(t.Context()); early() {
		t.Fatal("a connection alone made the broker ready again at once")
	}
	runPool(t, p)
	eventually(t, "devices may try again", p.Ready)
	down = time.Now()
	outcome(t, p).Unanswered()
	if early() {
		t.Fatal("ready though the next device got no answer either")
	}
	eventually(t, "devices may try again", p.Ready)
	outcome(t, p).Answered()
	outcome(t, p).Unanswered()
	if !p.Ready() {
		t.Fatal("down after one device without an answer")
	}
}

// TestOneVerdictForEachDial: whatever a session tells after its first word changes nothing.
func TestOneVerdictForEachDial(t *testing.T) {
	l := listen(t, "tcp", "127.0.0.1:0", echo)
	p := newPool(t, new(lines), nil, parse(t, "tcp://"+l.Addr().String()))
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := outcome(t, p)
	for range 9 {
		o.Unanswered()
	}
	if !p.Ready() {
		t.Error("one device's silence counts more than once")
	}
	answered := outcome(t, p)
	answered.Answered()
	for range 9 {
		answered.Unanswered()
	}
	if !p.Ready() {
		t.Error("a broker that has answered is down")
	}
}

// TestSameNameOtherBroker: the query makes another broker, which has a health of its own, and is no part of the name.
func TestSameNameOtherBroker(t *testing.T) {
	good := serveWS(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "token=canary-good" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		echoWS(w, r)
	})
	bad := *good
	bad.RawQuery, good.RawQuery = "token=canary-bad", "token=canary-good"
	log := new(lines)
	p := newPool(t, log, nil, &bad, good)
	if err := p.Check(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || !p.Ready() {
		t.Fatalf("ready %v, error %v", p.Ready(), err)
	}
	for range 3 {
		b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
		if err != nil {
			t.Fatal(err)
		}
		b.Outcome.Unanswered()
		b.Close()
	}
	if p.Ready() {
		t.Error("the broker that answered nobody is up")
	}
	names := p.Names()
	if len(names) != 2 || names[0] == names[1] || strings.Contains(strings.Join(names, " ")+log.String(), "canary") {
		t.Errorf("names %q, log %s", names, log)
	}
}

// outcome dials and returns what the broker is to be judged by.
func outcome(t *testing.T, p *upstream.Pool) *bridge.Outcome {
	t.Helper()
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return b.Outcome
}

// TestBrokerThatHangsUp: one that takes connections and ends them before it has heard a word does not answer: a proxy whose broker is
// gone, and a broker that wants another certificate, which in TLS 1.3 it says when the handshake is over on this side.
func TestBrokerThatHangsUp(t *testing.T) {
	a := newAuthority(t)
	refuses := &tls.Config{Certificates: []tls.Certificate{a.issue()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool}
	takes := refuses.Clone()
	takes.ClientAuth = tls.NoClientCert
	for name, c := range map[string]struct {
		scheme string
		serve  func(net.Conn)
		ok     bool
	}{
		"tcp":                   {"tcp", func(net.Conn) {}, false},
		"tcp with a reset":      {"tcp", func(nc net.Conn) { _ = nc.(*net.TCPConn).SetLinger(0) }, false},
		"tcp that stays":        {"tcp", echo, true},
		"tcp that speaks first": {"tcp", func(nc net.Conn) { _, _ = nc.Write([]byte("x")) }, true},
		"tls":                   {"tls", func(nc net.Conn) { echo(tls.Server(nc, refuses)) }, false},
		"tls that stays":        {"tls", func(nc net.Conn) { echo(tls.Server(nc, takes)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "tcp", "127.0.0.1:0", c.serve)
			log := new(lines)
			p := newPool(t, log, func(o *upstream.Options) {
				o.TLS = func() *tls.Config { return &tls.Config{RootCAs: a.pool} }
				o.HealthInterval = 10 * time.Millisecond
			}, parse(t, c.scheme+"://"+l.Addr().String()))
			runPool(t, p)
			// A probe does not wait for long, and a busy machine may keep the broker from its end of it for once.
			eventually(t, "what the broker does is seen", func() bool { return (p.Check(t.Context()) == nil) == c.ok && p.Ready() == c.ok })
			if said := strings.Contains(log.String(), "takes the connection and hangs up"); said && c.ok {
				t.Errorf("the log says: %s", log)
			}
		})
	}
}

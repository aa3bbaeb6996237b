package upstream_test

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/certs"
)

// TestAttack47: a broker is who its certificate says: of a trusted authority, for the host that was dialled or the name that was
// configured, and a certificate for another host is none.
func TestAttack47(t *testing.T) {
	ca, other := certs.New(t), certs.New(t)
	for _, c := range []struct {
		name  string
		pair  certs.Pair
		trust *certs.Authority
		as    string // the name that was configured
		ok    bool
	}{
		{"its host", ca.Server(t, "127.0.0.1"), ca, "", true},
		{"the configured name", ca.Server(t, "broker.test"), ca, "broker.test", true},
		{"another host", ca.Server(t, "broker.test"), ca, "", false},
		{"another configured name", ca.Server(t, "127.0.0.1"), ca, "broker.test", false},
		{"wildcard for a whole domain", ca.Server(t, "*.test"), ca, "a.broker.test", false},
		{"another authority", other.Server(t, "127.0.0.1"), ca, "", false},
		{"a certificate for clients", ca.Client(t, "127.0.0.1"), ca, "127.0.0.1", false},
	} {
		for _, scheme := range []string{"tls", "wss"} {
			t.Run(c.name+"/"+scheme, func(t *testing.T) {
				s := newScript(t, "tcp")
				p := s.pool(0, scheme, &tls.Config{RootCAs: c.trust.Pool(), ServerName: c.as})
				err := attempt(t, s, p, c.pair, scheme == "wss")
				if (err == nil) != c.ok {
					t.Errorf("dial: %v", err)
				}
			})
		}
	}
}

// dialer is the one method of a pool that these tests are about.
type dialer interface {
	Dial(context.Context, bridge.DeviceInfo) (bridge.Broker, error)
}

// attempt dials once a broker that shows this certificate.
func attempt(t *testing.T, s *script, p dialer, pair certs.Pair, web bool) error {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc := s.next("")
		tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
		if tc.Handshake() == nil && web {
			upgraded(t, tc)
		}
		nc.Close()
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	broker, err := p.Dial(ctx, bridge.DeviceInfo{Addr: tcp("203.0.113.7:1"), Local: tcp("192.0.2.1:2")})
	if err == nil {
		broker.Close()
	}
	<-done
	return err
}

// TestTLSOfNow: each dial takes the configuration of its time.
func TestTLSOfNow(t *testing.T) {
	ca, next := certs.New(t), certs.New(t)
	s := newScript(t, "tcp")
	var now atomic.Pointer[tls.Config]
	p := s.poolWith(func() *tls.Config { return now.Load() })
	for _, trusted := range []*certs.Authority{ca, next, ca} {
		now.Store(&tls.Config{RootCAs: trusted.Pool()})
		for _, authority := range []*certs.Authority{ca, next} {
			if err := attempt(t, s, p, authority.Server(t, "127.0.0.1"), false); (err == nil) != (authority == trusted) {
				t.Errorf("dial: %v", err)
			}
		}
	}
}

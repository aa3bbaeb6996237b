package quota

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// TestReplaceKeepsLevels: a bucket has what it had, at most what it can hold now, and fills at the new rate.
func TestReplaceKeepsLevels(t *testing.T) {
	all := func(perSecond, perMinute int) Options {
		l := Limits{Up: Rates{Messages: perSecond}}
		shared := Limits{ConnectRate: perMinute}
		return Options{Session: l, Address: shared, Identity: shared, Total: shared, Burst: 10 * time.Second, AddressBits: 64}
	}
	synctest.Test(t, func(t *testing.T) {
		b := New(all(10, 60))
		s, _ := b.Enter("192.0.2.1", "me")
		defer s.Leave()
		use := func(n int) time.Duration {
			wait, _ := s.Use(mqttio.Up, n, 0)
			return wait.Round(time.Millisecond)
		}
		admits := func() (n int) {
			for b.Admit("192.0.2.1") == nil && b.AdmitIdentity("me") == nil {
				n++
			}
			return n
		}
		use(90) // 10 of 100 are left
		for range 50 {
			b.Admit("192.0.2.1")
			b.AdmitIdentity("me")
		}
		b.Replace(all(100, 600))
		if wait := use(10); wait != 0 {
			t.Errorf("what was left is gone: wait %v", wait)
		}
		if wait := use(100); wait != time.Second {
			t.Errorf("the bucket is full, or fills at another rate: wait %v, want 1s", wait)
		}
		if n := admits(); n != 10 {
			t.Errorf("%d connections, want the 10 that were left", n)
		}
		b.Replace(all(1, 6))
		if wait, run := s.Again(mqttio.Up); wait.Round(time.Millisecond) != 100*time.Second || run != 1 {
			t.Errorf("100 messages too many at one in a second: wait %v, run %d", wait, run)
		}
		time.Sleep(time.Hour)
		if wait := use(11); wait != time.Second {
			t.Errorf("a bucket for 10: wait %v for 11", wait)
		}
		if n := admits(); n != 6 {
			t.Errorf("%d connections after a pause, want 6", n)
		}
		b.Replace(Options{AddressBits: 64})
		if wait := use(1e6); wait != 0 || b.Admit("192.0.2.1") != nil || b.AdmitIdentity("me") != nil {
			t.Errorf("without limits: wait %v", wait)
		}
	})
}

// TestReplaceCountsSessions: sessions that are there count for limits on their number, also for those that are new, and none is lost or
// counted twice however often limits come and go.
func TestReplaceCountsSessions(t *testing.T) {
	few := Limits{Connections: 2}
	o := Options{Total: Limits{ConnectRate: 1e6}, AddressBits: 64, Burst: time.Second}
	b := New(o)
	enter := func(address, identity string) *Share {
		s, why := b.Enter(address, identity)
		if s == nil || why != nil {
			t.Fatalf("%s is refused: %v", address, why)
		}
		return s
	}
	one, two := enter("2001:db8::1", ""), enter("2001:db8:0:0:1::1", "proved")
	named := enter("2001:db8:0:1::1", "")
	if named.Connect([]byte("named")) != nil || named.Accepted() != nil {
		t.Error("a user name is refused without limits")
	}
	unaccepted := enter("192.0.2.1", "")
	_ = unaccepted.Connect([]byte("unaccepted"))
	for range 3 {
		o.Address, o.Identity = few, Limits{Connections: 1}
		b.Replace(o)
		if b.Admit("2001:db8::7") != reason.AddressConnections || b.Admit("2001:db8:0:1::7") != nil {
			t.Error("the sessions of an address are not counted as they are")
		}
		if b.AdmitIdentity("proved") != reason.IdentityConnections || b.AdmitIdentity("named") != reason.IdentityConnections || b.AdmitIdentity("unaccepted") != nil {
			t.Error("the sessions of an identity are not counted as they are")
		}
		o.AddressBits = 56
		b.Replace(o)
		if b.Admit("2001:db8:0:1::7") != reason.AddressConnections {
			t.Error("the sessions of an address are counted as before, though another prefix counts")
		}
		o.AddressBits = 64
		b.Replace(o)
		o.Address, o.Identity = Limits{}, Limits{}
		b.Replace(o)
		if b.Admit("2001:db8::7") != nil {
			t.Error("a limit that is gone has an effect")
		}
	}
	o.Address = few
	b.Replace(o)
	one.Leave()
	if b.Admit("2001:db8::7") != nil {
		t.Error("who has left is counted")
	}
	for _, s := range []*Share{two, named, unaccepted} {
		s.Leave()
	}
	if len(b.shares)+len(b.addresses.entries)+len(b.identities.entries) > 0 || b.addresses.idle+b.identities.idle != 0 {
		t.Errorf("left over: %d shares, %d addresses, %d identities", len(b.shares), len(b.addresses.entries), len(b.identities.entries))
	}
}

// TestReplaceTells: Changed is closed by other limits, and by them only.
func TestReplaceTells(t *testing.T) {
	o := Options{Session: Limits{Up: Rates{Messages: 1}}, AddressBits: 64, Burst: time.Second}
	b := New(o)
	s, _ := b.Enter("192.0.2.1", "")
	defer s.Leave()
	changed := s.Changed()
	closed := func() bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	if b.Replace(o); closed() {
		t.Error("the same limits are others")
	}
	o.Burst = time.Minute
	if b.Replace(o); !closed() || s.Changed() == changed {
		t.Error("other limits are not told of")
	}
}

// TestReplaceBesideSessions is for the race detector: limits come and go while sessions do, and nothing is left in the end.
func TestReplaceBesideSessions(t *testing.T) {
	every := Limits{Connections: 1e6, ConnectRate: 1e6, Up: Rates{1e9, 1e9}, Down: Rates{1e9, 1e9}}
	o := Options{Session: every, AddressBits: 64, Burst: time.Second}
	b := New(o)
	var sessions sync.WaitGroup
	for i := range 4 {
		sessions.Go(func() {
			for j := range 200 {
				address, identity := fmt.Sprintf("192.0.2.%d", j%3), ""
				if i%2 == 0 {
					identity = "proved"
				}
				_, _ = b.Admit(address), b.AdmitIdentity(identity)
				s, _ := b.Enter(address, identity)
				if s == nil {
					continue
				}
				_, _ = s.Connect([]byte("name")), s.Accepted()
				for d := range 2 {
					s.Use(mqttio.Direction(d), 1, 1)
					s.Again(mqttio.Direction(d))
				}
				s.Leave()
			}
		})
	}
	for i := range 200 {
		next := o
		next.AddressBits = 60 + i%4
		if i%2 == 0 {
			next.Address, next.Total = every, every
		}
		if i%3 == 0 {
			next.Identity = every
		}
		b.Replace(next)
	}
	sessions.Wait()
	for _, e := range b.addresses.entries {
		if e.sessions != 0 {
			t.Errorf("an address has %d sessions", e.sessions)
		}
	}
	for _, e := range b.identities.entries {
		if e.sessions != 0 {
			t.Errorf("an identity has %d sessions", e.sessions)
		}
	}
	if len(b.shares) != 0 {
		t.Errorf("%d shares are left", len(b.shares))
	}
}

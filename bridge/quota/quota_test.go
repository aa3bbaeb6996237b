package quota

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// TestConnections: what is full refuses before the upgrade and, if two were let in at the same moment, after it. What ends makes
// room.
func TestConnections(t *testing.T) {
	b := New(Options{Address: Limits{Connections: 2}, Identity: Limits{Connections: 1}, AddressBits: 64})
	one, why := b.Enter("192.0.2.1", "a")
	if why != nil || b.Admit("192.0.2.1") != nil {
		t.Fatalf("the first is refused: %v", why)
	}
	if why := b.AdmitIdentity("a"); why != reason.IdentityConnections {
		t.Errorf("the identity is full, and AdmitIdentity says %v", why)
	}
	if why := b.AdmitIdentity("b"); why != nil {
		t.Errorf("another identity is refused: %v", why)
	}
	two, why := b.Enter("192.0.2.1", "a")
	if why != reason.IdentityConnections || b.Admit("192.0.2.1") != nil {
		t.Errorf("the second session of an identity: %v", why)
	}
	three, why := b.Enter("192.0.2.1", "c")
	if why != nil {
		t.Errorf("a session that was refused counts against its address: %v", why)
	}
	four, why := b.Enter("192.0.2.1", "d")
	if why != reason.AddressConnections || b.Admit("192.0.2.1") != reason.AddressConnections || b.Admit("192.0.2.2") != nil || b.AdmitIdentity("d") != nil {
		t.Errorf("the third session of an address: %v", why)
	}
	one.Leave()
	five, why := b.Enter("192.0.2.1", "a")
	if why != nil {
		t.Errorf("the identity is counted for a session that was refused and is still there: %v", why)
	}
	if b.Admit("192.0.2.1") != reason.AddressConnections {
		t.Error("the address has two sessions and is not full")
	}
	for _, s := range []*Share{two, four, one} { // once more, or for nothing
		s.Leave()
	}
	three.Leave()
	if b.Admit("192.0.2.1") != nil || b.AdmitIdentity("a") != reason.IdentityConnections {
		t.Error("leaving twice counts twice")
	}
	five.Leave()
	if b.Admit("192.0.2.1") != nil || b.AdmitIdentity("a") != nil {
		t.Error("no room though all have left")
	}
	if len(b.addresses.entries)+len(b.identities.entries) > 0 {
		t.Error("those who have left are remembered though there is nothing to remember")
	}
}

// TestConnectRate: so many connections in a minute may come at once, and then one in each part of the minute.
func TestConnectRate(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		want *reason.Reason
	}{
		"address":  {Options{Address: Limits{ConnectRate: 6}}, reason.AddressRate},
		"identity": {Options{Identity: Limits{ConnectRate: 6}}, reason.IdentityRate},
		"total":    {Options{Total: Limits{ConnectRate: 6}}, reason.ConnectRate},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.o.AddressBits = 64
				b := New(c.o)
				admit := func() *reason.Reason {
					if why := b.Admit("192.0.2.1"); why != nil {
						return why
					}
					return b.AdmitIdentity("a")
				}
				for i := range 6 {
					if why := admit(); why != nil {
						t.Fatalf("admit %d: %v", i, why)
					}
				}
				for range 3 {
					if why := admit(); why != c.want {
						t.Errorf("beyond the rate: %v", why)
					}
					time.Sleep(10 * time.Second)
					if why := admit(); why != nil {
						t.Errorf("ten seconds later: %v", why)
					}
				}
				others := b.AdmitIdentity("b")
				if (others == nil) != (name != "total") || b.Admit("192.0.2.2") != nil {
					t.Errorf("somebody else: %v", others)
				}
			})
		})
	}
}

// TestRefusedAttemptsCostTheTotalNothing: total.connect-rate counts only connections that passed every other limit.
func TestRefusedAttemptsCostTheTotalNothing(t *testing.T) {
	b := New(Options{Identity: Limits{ConnectRate: 1}, Total: Limits{ConnectRate: 2}, AddressBits: 64})
	for range 10 {
		b.Admit("192.0.2.1") // and no proof follows
		b.AdmitIdentity("a") // one too often
	}
	if why := b.AdmitIdentity("b"); why != nil {
		t.Error(why)
	}
}

// TestComingAndGoing: those who come, say as much as they can before they are counted, and go, keep nobody waiting for longer than what
// sessions owe that are there at once.
func TestComingAndGoing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const piece, perSecond = 64 << 10, 1 << 20
		b := New(Options{Total: Limits{Up: Rates{Bytes: perSecond}}, Burst: time.Second})
		for range 10_000 {
			s, _ := b.Enter("192.0.2.1", "")
			if wait, _ := s.Use(mqttio.Up, 0, 0); wait == 0 {
				s.Use(mqttio.Up, 0, piece)
			}
			s.Leave()
		}
		s, _ := b.Enter("192.0.2.2", "")
		wait, _ := s.Use(mqttio.Up, 0, 0)
		if most := time.Second * piece / perSecond; wait > most {
			t.Errorf("waits for %v, want at most %v", wait, most)
		}
		time.Sleep(wait)
		if wait, _ := s.Use(mqttio.Up, 0, 0); wait != 0 {
			t.Errorf("waits for %v more", wait)
		}
	})
}

// TestNetworks: an IPv4 address counts by itself, however it is written, an IPv6 address with its network.
func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		one, other string
		bits       int
		same       bool
	}{
		{"192.0.2.1", "192.0.2.2", 64, false},
		{"192.0.2.1", "::ffff:192.0.2.1", 64, true},
		{"2001:db8::1", "2001:db8::2", 64, true},
		{"2001:db8::1", "2001:db8:0:1::1", 64, false},
		{"2001:db8::1", "2001:db8:0:1::1", 48, true},
		{"2001:db8::1", "2001:db8::2", 128, false},
		{"fe80::1%eth0", "fe80::1%eth1", 64, true},
		{"@", "@", 64, false}, // a socket file: not counted
	} {
		b := New(Options{Address: Limits{ConnectRate: 1}, AddressBits: c.bits})
		b.Admit(c.one)
		if refused := b.Admit(c.other) != nil; refused != c.same {
			t.Errorf("%s and %s at %d bits count as one: %v", c.one, c.other, c.bits, refused)
		}
	}
}

// TestMemoryIsBounded however many addresses ask, or come and go; who has sessions is never forgotten.
func TestMemoryIsBounded(t *testing.T) {
	b := New(Options{Address: Limits{ConnectRate: 1, Connections: 1}, AddressBits: 64})
	stays, _ := b.Enter("192.0.2.1", "")
	for i := range 3 * remembered {
		address := fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xFFFF)
		b.Admit(address)
		if i%2 == 0 {
			s, _ := b.Enter(address, "")
			s.Leave()
		}
		if n := len(b.addresses.entries); n > remembered+1 {
			t.Fatalf("%d addresses are remembered", n)
		}
	}
	idle := 0
	for _, e := range b.addresses.entries {
		if e.sessions == 0 {
			idle++
		}
	}
	if idle != b.addresses.idle {
		t.Errorf("%d without sessions, counted %d", idle, b.addresses.idle)
	}
	if b.Admit("192.0.2.1") != reason.AddressConnections {
		t.Error("an address with a session was forgotten")
	}
	stays.Leave()
}

// TestLeavingIsNoWayAroundARate: who has used up the rate of its identity does not find it full after a reconnect.
func TestLeavingIsNoWayAroundARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Identity: Limits{Up: Rates{Messages: 10}}, Burst: time.Second})
		for i := range 3 {
			s, _ := b.Enter("", "a")
			wait, _ := s.Use(mqttio.Up, 10, 100)
			s.Leave()
			if want := time.Duration(i) * time.Second; wait != want {
				t.Errorf("session %d waits %v, want %v", i, wait, want)
			}
		}
		time.Sleep(3 * time.Second)
		if s, _ := b.Enter("", "a"); s != nil {
			if wait, _ := s.Use(mqttio.Up, 10, 100); wait != 0 {
				t.Errorf("waits %v after a rest", wait)
			}
		}
	})
}

// TestUse: the emptiest bucket says how long to wait, directions are apart, and what was taken beyond a bucket is owed.
func TestUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Burst: 2 * time.Second, Session: Limits{Up: Rates{Messages: 5, Bytes: 1000}}, Total: Limits{Up: Rates{Messages: 100}}})
		s, _ := b.Enter("192.0.2.1", "a")
		for _, c := range []struct {
			messages, bytes int
			want            time.Duration
		}{{10, 100, 0}, {0, 1900, 0}, {1, 0, 200 * time.Millisecond}, {0, 10_000, 10 * time.Second}} {
			if wait, run := s.Use(mqttio.Up, c.messages, c.bytes); wait != c.want || run != 1 {
				t.Errorf("%+v: wait %v, run %d", c, wait, run)
			}
		}
		if wait, run := s.Use(mqttio.Down, 1000, 1<<30); wait != 0 || run != 0 {
			t.Errorf("down: wait %v, run %d", wait, run)
		}
	})
}

// TestUseAllocatesNothing: it is called for every run.
func TestUseAllocatesNothing(t *testing.T) {
	r := Limits{Up: Rates{Messages: 1 << 30, Bytes: 1 << 30}}
	s, _ := New(Options{Burst: time.Second, AddressBits: 64, Session: r, Identity: r, Address: r, Total: r}).Enter("192.0.2.1", "a")
	if n := testing.AllocsPerRun(100, func() { s.Use(mqttio.Up, 64, 8192) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNothingLimited: a session has no share then, so that it costs nothing.
func TestNothingLimited(t *testing.T) {
	if s, why := New(Options{Burst: time.Second, AddressBits: 64}).Enter("192.0.2.1", "a"); s != nil || why != nil {
		t.Error("a share of nothing")
	}
}

package bridge_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// filtersOf is n times the same entry of a SUBSCRIBE.
func filtersOf(n int, entry string) []byte { return bytes.Repeat(hx(entry), n) }

// TestSubscribeFilters: a SUBSCRIBE with more topic filters than one may have is answered by the bridge, whole, and the session goes on.
// UNSUBSCRIBE has no such limit.
func TestSubscribeFilters(t *testing.T) {
	for name, pass := range map[string]func() bridge.Pass{"no policy": nil, "policy": passWith(&policyFake{})} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.SubscribeFilters = 100 }), v: v}
				if pass != nil {
					s.pass = pass()
				}
				s.online()
				w := subscribingIn(v)
				subscribe := func(n int) []byte { return packet(0x82, hx("0001"+w.properties), filtersOf(n, "0002'ok' 00")) }
				s.exchange("as many as may be", subscribe(100), subscribe(100), nil)
				s.answer(packet(0x90, hx("0001"+w.properties), make([]byte, 100)), packet(0x90, hx("0001"+w.properties), make([]byte, 100)))
				s.exchange("one more", append(hx("C000"), subscribe(101)...), hx("C000"),
					packet(0x90, hx("0001"+w.properties), bytes.Repeat(hx(w.quota), 101)))
				unsubscribe := packet(0xA2, hx("0002"+w.properties), filtersOf(101, "0002'ok'"))
				s.exchange("UNSUBSCRIBE", unsubscribe, unsubscribe, nil)
				if n := s.packets("quota_exceeded_total", "subscribe-filters", ""); n != 1 {
					t.Errorf("%v counted, want 1", n)
				}
			})
		})
	}
}

// countedBroker counts writes to a broker.
type countedBroker struct {
	*memnet.Conn
	writes *atomic.Int64
}

func (c countedBroker) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// countedDevice counts writes to a device.
type countedDevice struct {
	bridge.Device
	writes *atomic.Int64
}

func (d countedDevice) WriteFrames(buf []byte, ends []int) error {
	d.writes.Add(1)
	return d.Device.WriteFrames(buf, ends)
}

// TestForbiddenFlood: forbidden packets in one read, between others, cost no write each.
func TestForbiddenFlood(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass.Policy = &policyFake{}
		var toBroker, toDevice atomic.Int64
		s.wrap = func(d bridge.Device) bridge.Device { return countedDevice{d, &toDevice} }
		s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
			ours, theirs := memnet.Pipe(bufferSize)
			s.up.brokers <- theirs
			return bridge.Broker{Conn: countedBroker{ours, &toBroker}, Name: "memory"}, nil
		})
		s.online()
		good, bad := publish(v, "ok", "x"), publishOf(v, 0x32, "no", 0x102, "", "x")
		const pairs = 400
		toBroker.Store(0)
		toDevice.Store(0)
		ack := hx("4002 0102")
		if v == mqttio.V5 {
			ack = hx("4003 0102 87")
		}
		s.exchange("a flood", bytes.Repeat(append(good, bad...), pairs), bytes.Repeat(good, pairs), bytes.Repeat(ack, pairs))
		if b, d := toBroker.Load(), toDevice.Load(); b > pairs/10 || d > pairs/10 {
			t.Errorf("%d writes to the broker and %d to the device for %d forbidden packets", b, d, pairs)
		}
	})
}

// waitingPolicy forbids all filters, those that are not "ok" when it is let go on.
type waitingPolicy struct {
	policyFake
	asked atomic.Int64
	goOn  chan struct{}
}

func (p *waitingPolicy) MaySubscribe(filter []byte) bool {
	if string(filter) == "ok" {
		return false
	}
	p.asked.Add(1)
	<-p.goOn
	return false
}

// TestInspectionsAreFew: of the sessions with long lists of topic filters, in one packet or in the packets of one read, few are looked at
// together. The others wait, and can end.
func TestInspectionsAreFew(t *testing.T) {
	long := packet(0x82, hx("0001"), filtersOf(1000, "0002'no' 00"))
	some := packet(0x82, hx("0001"), filtersOf(500, "0002'ok' 00"))
	last := packet(0x82, hx("0001"), filtersOf(500, "0002'no' 00"))
	for name, send := range map[string][]byte{"one packet": long, "one read": append(append(some, some...), last...)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil)
				policy := &waitingPolicy{goOn: make(chan struct{})}
				r.pass.Policy = policy
				most := max(1, runtime.GOMAXPROCS(0)/2)
				var devices []*scene
				for range most + 3 {
					s := &scene{rig: r, v: mqttio.V311}
					s.online()
					busy := publish(s.v, "ok", strings.Repeat("x", 4000)) // large buffers from now on
					s.dev.send(busy)
					s.br.expect(busy)
					s.dev.send(send)
					devices = append(devices, s)
				}
				synctest.Wait()
				if n := policy.asked.Load(); n != int64(most) {
					t.Errorf("%d are looked at, want %d", n, most)
				}
				for _, s := range devices {
					s.br.nc.Reset()
				}
				time.Sleep(time.Minute) // goodbyes are over
				synctest.Wait()
				if n := r.bridge.Sessions(); n != most {
					t.Errorf("%d sessions are left, want those that are looked at, %d", n, most)
				}
				close(policy.goOn)
				r.settled()
			})
		})
	}
}

// at is a device with an address of its own.
type at struct {
	bridge.Device
	addr netip.Addr
}

func (d at) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.AddrPortFrom(d.addr, 1)) }

// from has the devices that come from then on have this address.
func (r *rig) from(address string) {
	r.wrap = func(d bridge.Device) bridge.Device { return at{d, netip.MustParseAddr(address)} }
}

// orderedPolicy notes whose filters are looked at, once for each SUBSCRIBE, and goes on one at a time.
type orderedPolicy struct {
	policyFake
	name   string
	begun  chan<- string
	goOn   <-chan struct{}
	before bool // owned by the session
}

func (p *orderedPolicy) MaySubscribe([]byte) bool {
	if !p.before {
		p.before = true
		p.begun <- p.name
		<-p.goOn
	}
	return false
}

// TestInspectionsAreFair (attack 28): an address with many sessions that all send long lists of topic filters delays a device from elsewhere
// by one inspection for each that goes on at a time, however many wait.
func TestInspectionsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		most := max(1, runtime.GOMAXPROCS(0)/2)
		begun, goOn := make(chan string, 1000), make(chan struct{})
		subscribe := func(address string) {
			r.from(address)
			r.pass.Policy = &orderedPolicy{name: address, begun: begun, goOn: goOn}
			s := &scene{rig: r, v: mqttio.V311}
			s.online()
			s.dev.send(packet(0x82, hx("0001"), filtersOf(1000, "0002'no' 00")))
			synctest.Wait()
		}
		for i := range 10 * most { // all in one IPv6 site
			subscribe(fmt.Sprintf("2001:db8:0:%x::1", i))
		}
		subscribe("192.0.2.1")
		for range most {
			<-begun // they go on already
		}
		for n := 1; ; n++ {
			goOn <- struct{}{}
			if <-begun == "192.0.2.1" {
				break
			}
			if n > 1 {
				t.Fatalf("%d of the flood were looked at after the honest device came", n)
			}
		}
		close(goOn)
	})
}

// panicPolicy panics when it is asked about a filter.
type panicPolicy struct{ policyFake }

func (*panicPolicy) MaySubscribe([]byte) bool { panic("filter") }

// TestInspectionPanics: a fault in a long inspection costs one session, and those after it are looked at.
func TestInspectionPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		subscribe := func(policy police.Policy) *scene {
			r.pass.Policy = policy
			s := &scene{rig: r, v: mqttio.V311}
			s.online()
			s.dev.send(packet(0x82, hx("0001"), filtersOf(2000, "0002'no' 00")))
			synctest.Wait()
			return s
		}
		for range max(1, runtime.GOMAXPROCS(0)/2) {
			subscribe(&panicPolicy{})
		}
		s := subscribe(&policyFake{})
		s.dev.expect(packet(0x90, hx("0001"), bytes.Repeat(hx("80"), 2000)))
		time.Sleep(time.Minute) // goodbyes are over
		if n := r.bridge.Sessions(); n != 1 {
			t.Errorf("%d sessions are left, want 1", n)
		}
	})
}

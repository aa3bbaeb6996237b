package bridge_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// endCase is one way to one row of the table.
type endCase struct {
	name    string // if the reason has several
	limits  func(*bridge.Limits)
	closes  bool               // a forbidden PUBLISH ends the session
	pass    func() bridge.Pass // nil: the broker decides alone
	act     func(s *scene)     // brings the end about
	only    mqttio.Version     // 0: all
	want    ended
	connack [2]byte // that the device hears, in 3.x and 5
	leave   byte    // DISCONNECT that it hears in 5
}

// run drives a case for each version and holds it against what it wants.
func run(t *testing.T, metric string, cases []endCase) {
	for _, c := range cases {
		name := c.want.reason
		if c.name != "" {
			name += " " + c.name
		}
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				if c.only != 0 && c.only != v {
					return
				}
				limits := plenty()
				if c.limits != nil {
					c.limits(&limits)
				}
				s := &scene{rig: newRigWith(t, bridge.Options{Limits: limits, Denial: bridge.Denial{Close: c.closes}}), v: v}
				if c.pass != nil {
					s.pass = c.pass()
				}
				c.act(s)
				want := c.want
				why := reason.ByLabel(want.reason).String()
				want.packets = append(want.packets, refusalPackets(v, c.connack[0], c.connack[1], why)...)
				want.packets = append(want.packets, disconnect(v, c.leave, why)...)
				if want.metric == "" {
					want.metric = metric
				}
				if want.level == "" {
					want.level = "INFO"
				}
				s.check(want)
			})
		})
	}
}

// early opens the WebSocket with CONNECT right behind the request.
func (s *scene) early() { s.dev = s.open(wsframes.Masked(0x82, s.connect())...) }

func drained(s *scene) {
	s.lax.Store(true)
	s.bridge.Drain(context.Background(), 1)
}

// refusalCases end between the upgrade and CONNACK.
var refusalCases = []endCase{
	{act: func(s *scene) { drained(s); s.upgrade() }, want: ended{reason: "draining", code: 1012}},
	{name: "CONNECT came with the handshake", act: func(s *scene) { drained(s); s.early() },
		want: ended{reason: "draining", code: 1012}, connack: [2]byte{3, 0x88}},
	{limits: func(l *bridge.Limits) { l.Sessions = 0 }, act: func(s *scene) { s.lax.Store(true); s.upgrade() },
		want: ended{reason: "sessions-full", code: 1013, level: "WARN"}},
	{name: "CONNECT came with the handshake", limits: func(l *bridge.Limits) { l.Sessions = 0 },
		act:  func(s *scene) { s.lax.Store(true); s.early() },
		want: ended{reason: "sessions-full", code: 1013, level: "WARN"}, connack: [2]byte{3, 0x89}},
	{act: func(s *scene) { s.spent(reason.MemoryFull); s.upgrade() }, want: ended{reason: "memory-full", code: 1013, level: "DEBUG"}},
	{name: "CONNECT came with the handshake", act: func(s *scene) { s.spent(reason.MemoryFull); s.early() },
		want: ended{reason: "memory-full", code: 1013, level: "DEBUG"}, connack: [2]byte{3, 0x89}},
	{act: func(s *scene) { s.spent(reason.DescriptorsFull); s.upgrade() },
		want: ended{reason: "descriptors-full", code: 1013, level: "DEBUG"}},
	{name: "towards the broker", act: func(s *scene) { s.failDialWith(syscall.EMFILE); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "descriptors-full", code: 1013, level: "DEBUG"}, connack: [2]byte{3, 0x89}},
	{act: func(s *scene) { s.failDialWith(syscall.EADDRNOTAVAIL); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "ports-full", code: 1013, level: "DEBUG"}, connack: [2]byte{3, 0x89}},
	{limits: func(l *bridge.Limits) { l.Dials = 0 }, act: func(s *scene) { s.lax.Store(true); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "dials-full", code: 1013, level: "WARN"}, connack: [2]byte{3, 0x89}},
	{act: func(s *scene) { s.failDial(); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "broker-down", code: 1013, level: "WARN"}, connack: [2]byte{3, 0x88}},
	{name: "dial takes too long", act: func(s *scene) { s.hangDial(); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "broker-down", code: 1013, level: "WARN"}, connack: [2]byte{3, 0x88}},
	{pass: passWith(&policyFake{refuse: true}), act: func(s *scene) { s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "not-authorized", code: 1008}, connack: [2]byte{5, 0x87}},
	{pass: refusedWith(reason.AddressConnections), act: (*scene).upgrade, want: ended{reason: "address-connections", code: 1008, level: "WARN"}},
	{name: "CONNECT came with the handshake", pass: refusedWith(reason.AddressConnections), act: (*scene).early,
		want: ended{reason: "address-connections", code: 1008, level: "WARN"}, connack: [2]byte{3, 0x97}},
	{pass: refusedWith(reason.IdentityRate), act: (*scene).early,
		want: ended{reason: "identity-connect-rate", code: 1008, level: "WARN"}, connack: [2]byte{3, 0x9F}},
	{act: (*scene).upgrade, want: ended{reason: "connect-timeout", code: 1008}},
	{act: func(s *scene) { s.upgrade(); s.dev.send(hx("C000")) }, want: ended{reason: "not-connect", code: 1002}},
	{act: func(s *scene) { s.upgrade(); s.dev.send(connect(s.v, "a\x00b", 60)) },
		want: ended{reason: "connect-malformed", code: 1002}, connack: [2]byte{0, 0x81}},
	{name: "remaining length of five bytes", act: func(s *scene) { s.upgrade(); s.dev.send(hx("10 FFFFFFFF 01")) },
		want: ended{reason: "connect-malformed", code: 1002}},
	{limits: func(l *bridge.Limits) { l.ConnectSize = 100 }, act: func(s *scene) { s.upgrade(); s.dev.send(hx("10 7F")) },
		want: ended{reason: "connect-too-large", code: 1009}},
	{name: "from the past", only: mqttio.V311, act: func(s *scene) { s.upgrade(); s.dev.send(connect(2, "c", 60)) },
		want: ended{reason: "mqtt-version", code: 1002}, connack: [2]byte{1, 0}},
	{name: "level 0", only: mqttio.V311, act: func(s *scene) { s.upgrade(); s.dev.send(connect(0, "c", 60)) }, // [MQTT-3.1.2-2]
		want: ended{reason: "mqtt-version", code: 1002}, connack: [2]byte{1, 0}},
	{name: "a level of MQTT 5 behind the name of 3.1", only: mqttio.V31, act: func(s *scene) { s.upgrade(); s.dev.send(packet(0x10, text("MQIsdp"), hx("05 02 003C 0001'c'"))) },
		want: ended{reason: "mqtt-version", code: 1002}, connack: [2]byte{1, 0}},
	{name: "from the future", only: mqttio.V5, act: func(s *scene) { s.upgrade(); s.dev.send(connect(6, "c", 60)) },
		want: ended{reason: "mqtt-version", code: 1002}, connack: [2]byte{0, 0x84}},
	{act: (*scene).dialled, want: ended{reason: "connack-timeout", code: 1013, level: "WARN"}, connack: [2]byte{3, 0x88}},
	{only: mqttio.V5, act: func(s *scene) { s.dialled(); s.br.send(hx("F0 05 18 03 15 0000")) },
		want: ended{reason: "auth-timeout", code: 1013, packets: hx("F0 05 18 03 15 0000")}, connack: [2]byte{0, 0x88}},
	{only: mqttio.V311, act: func(s *scene) { s.dialled(); s.br.send(hx("20020005")) },
		want: ended{reason: "broker-refused", code: 1008, packets: hx("20020005")}},
	{only: mqttio.V5, act: func(s *scene) { s.dialled(); s.br.send(hx("200300 87 00")) },
		want: ended{reason: "broker-refused", code: 1008, packets: hx("200300 87 00")}},
	{name: "broker of 3.1.1 alone", only: mqttio.V5, act: func(s *scene) { s.dialled(); s.br.send(hx("20020001")) }, // [MQTT-3.1.2-2]
		want: ended{reason: "broker-refused", code: 1008}, connack: [2]byte{0, 0x84}},
}

// refusedWith is a pass of a device that cannot be taken after all.
func refusedWith(why *reason.Reason) func() bridge.Pass {
	return func() bridge.Pass { return bridge.Pass{Refuse: why} }
}

func TestRefusalReasons(t *testing.T) { run(t, "refusals_total", refusalCases) }

func (s *scene) failDial() { s.failDialWith(errors.New("connection refused")) }

func (s *scene) failDialWith(err error) {
	s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) { return bridge.Broker{}, err })
}

func (s *scene) hangDial() {
	s.up.dialWith(func(ctx context.Context, _ bridge.DeviceInfo) (bridge.Broker, error) {
		<-ctx.Done()
		return bridge.Broker{}, ctx.Err()
	})
}

// TestDialsFullWaits: a device waits for a slot among the dials as long as its dial may take, not longer.
func TestDialsFullWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.Dials = 1 }), v: mqttio.V311}
		s.lax.Store(true)
		slots := make(chan struct{})
		s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
			<-slots
			return bridge.Broker{}, errors.New("no")
		})
		first, second := s.open(), s.open()
		first.send(s.connect())
		synctest.Wait()
		began := time.Now()
		second.send(s.connect())
		if h := second.rest(); h.code != 1013 || time.Since(began) != 5*time.Second {
			t.Errorf("the second device hears %v after %v", h, time.Since(began))
		}
		close(slots)
		if h := first.rest(); h.code != 1013 {
			t.Errorf("the first device hears %v", h)
		}
		s.settled()
	})
}

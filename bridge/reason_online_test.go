package bridge_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// after is an act that does f when the device is online.
func after(f func(s *scene)) func(*scene) {
	return func(s *scene) { s.online(); f(s) }
}

// says is an act in which the online device sends these bytes, packets or not, in a frame.
func says(b string) func(*scene) { return after(func(s *scene) { s.dev.send(hx(b)) }) }

// frames is an act in which the online device sends these bytes as they are.
func frames(b []byte) func(*scene) { return after(func(s *scene) { s.dev.raw(b) }) }

// deviceCases are ends that the device causes.
var deviceCases = []endCase{
	{act: says("E000"), want: ended{reason: "device-disconnect", code: 1000, saw: hx("E000")}},
	{name: "with bytes behind it", act: says("C000 E000 C000"), want: ended{reason: "device-disconnect", code: 1000, saw: hx("C000 E000")}},
	{name: "keeps the will", only: mqttio.V5, act: says("E00104"), want: ended{reason: "device-disconnect", code: 1000, saw: hx("E00104")}},
	{name: "while dialled", act: func(s *scene) { s.dialled(); s.dev.send(hx("E000")) },
		want: ended{reason: "device-disconnect", code: 1000, saw: hx("E000"), metric: "abandoned_total"}},
	{name: "by close frame", act: frames(wsframes.Masked(0x88, hx("03E8"))), want: ended{reason: "device-closed", quiet: true}},
	{name: "by the end of the connection", act: after(func(s *scene) { s.dev.nc.Close() }), want: ended{reason: "device-closed", quiet: true}},
	{name: "by half-close", act: after(func(s *scene) { s.dev.halfClose() }), want: ended{reason: "device-closed", code: 1000}},
	{name: "before CONNECT", act: func(s *scene) { s.upgrade(); s.dev.halfClose() },
		want: ended{reason: "device-closed", code: 1000, metric: "abandoned_total"}},
	{name: "by reset before CONNECT", act: func(s *scene) { s.upgrade(); s.dev.reset() },
		want: ended{reason: "device-lost", quiet: true, metric: "abandoned_total"}},
	{act: after(func(s *scene) { s.dev.reset() }), want: ended{reason: "device-lost", quiet: true}},
	{name: "mid packet", act: after(func(s *scene) { s.dev.send(hx("3005 0001")); synctest.Wait(); s.dev.reset() }),
		want: ended{reason: "device-lost", quiet: true}},
	{act: after(func(s *scene) {}), want: ended{reason: "keepalive-timeout", code: 1008}, leave: 0x8D},
	{limits: func(l *bridge.Limits) { l.IdleTimeout = time.Minute }, act: (*scene).onlineForEver,
		want: ended{reason: "idle-timeout", code: 1008}, leave: 0x8D},
	{limits: packetsIn(time.Minute), act: func(s *scene) { s.onlineForEver(); s.dev.send(hx("3005 0001")) },
		want: ended{reason: "packet-timeout", code: 1008, level: "WARN"}, leave: 0x8D},
	{name: "in a long one", limits: packetsIn(time.Minute), act: func(s *scene) {
		s.onlineForEver()
		s.dev.send(hx("30 80808008 0001't'"))
		s.br.expect(hx("30 80808008 0001't'"))
	}, want: ended{reason: "packet-timeout", code: 1008, level: "WARN"}, leave: 0x8D},
	{act: (*scene).stopReading, want: ended{reason: "write-timeout", quiet: true, level: "WARN"}},
	{act: says("C000 C00100"), want: ended{reason: "packet-malformed", code: 1002, level: "WARN", saw: hx("C000")}, leave: 0x81},
	{name: "PUBLISH to a wildcard", only: mqttio.V5, act: says("3004 0001'#' 00"),
		want: ended{reason: "packet-malformed", code: 1002, level: "WARN"}, leave: 0x90},
	{name: "inner length beyond the packet", act: says("3003 0008'a'"), // attack 8
		want: ended{reason: "packet-malformed", code: 1002, level: "WARN"}, leave: 0x81},
	{name: "remaining length of five bytes", act: says("30 80808080 01"), // attack 6
		want: ended{reason: "packet-malformed", code: 1002, level: "WARN"}, leave: 0x81},
	{act: says("C000 20020000"), want: ended{reason: "packet-protocol", code: 1002, level: "WARN", saw: hx("C000")}, leave: 0x82}, // attack 27
	{name: "second CONNECT", act: after(func(s *scene) { s.dev.send(hx("C000"), s.connect(), hx("C000")) }), // attack 25
		want: ended{reason: "packet-protocol", code: 1002, level: "WARN", saw: hx("C000")}, leave: 0x82},
	{limits: func(l *bridge.Limits) { l.PacketSize = 200 }, act: says("C000 30 C901"), // attack 5
		want: ended{reason: "packet-too-large", code: 1009, level: "WARN", saw: hx("C000")}, leave: 0x95},
	{only: mqttio.V5, pass: passWith(&policyFake{}), act: func(s *scene) {
		s.accepted(connect(s.v, "c", 60, 0x27, 0, 0, 0, 200), connack(s.v))
		s.dev.send(packet(0x82, hx("0001 00"), filtersOf(250, "0002'no' 00")))
	}, want: ended{reason: "answer-too-large", code: 1009, level: "WARN"}, leave: 0x95},
	{only: mqttio.V5, pass: passWith(openPolicy(testMount)), act: func(s *scene) {
		s.accepted(s.connect(), connack(s.v, hx("27 0000000F")...))
		s.dev.send(packet(0x82, hx("0001 00 0004'abcd' 00")))
	}, want: ended{reason: "broker-packet-size", code: 1009, level: "WARN"}, leave: 0x95},
	{name: "SUBSCRIBE of 65,541 bytes", act: says("C000 82 818004 0001"),
		want: ended{reason: "control-packet-too-large", code: 1009, level: "WARN", saw: hx("C000")}, leave: 0x95},
	{closes: true, pass: passWith(&policyFake{}), act: after(func(s *scene) { s.dev.send(hx("C000"), publish(s.v, "no", ""), hx("C000")) }),
		want: ended{reason: "publish-denied", code: 1008, level: "WARN", saw: hx("C000")}, leave: 0x87},
	{name: "before CONNACK", closes: true, pass: passWith(&policyFake{}), act: func(s *scene) { s.dialled(); s.dev.send(publish(s.v, "no", "")) },
		want: ended{reason: "publish-denied", code: 1008, level: "WARN", metric: "refusals_total"}, connack: [2]byte{5, 0x87}},
	{pass: expiring, act: after(func(*scene) {}), want: ended{reason: "identity-expired", code: 1008}, leave: 0xA0},
	{name: "before CONNACK", limits: func(l *bridge.Limits) { l.ConnackTimeout = time.Hour }, pass: expiring, act: (*scene).dialled,
		want: ended{reason: "identity-expired", code: 1008, metric: "refusals_total"}, connack: [2]byte{5, 0x87}},
	{act: func(s *scene) { s.certified = true; s.online(); s.revoke() },
		want: ended{reason: "certificate-revoked", code: 1008, level: "WARN"}, leave: 0x87},
	{name: "before CONNACK", act: func(s *scene) { s.certified = true; s.dialled(); s.revoke() },
		want: ended{reason: "certificate-revoked", code: 1008, level: "WARN", metric: "refusals_total"}, connack: [2]byte{5, 0x87}},
	{name: "before the session", act: func(s *scene) { s.certified = true; s.revoke(); s.upgrade() },
		want: ended{reason: "certificate-revoked", code: 1008, level: "WARN", metric: "refusals_total"}},
	{act: frames(wsframes.Masked(0x81, hx("C000"))), want: ended{reason: "text-frame", code: 1003, level: "WARN"}, leave: 0x82},
	{act: frames(hx("82 02 C000")), want: ended{reason: "frame-protocol", code: 1002, level: "WARN"}, leave: 0x82},
	{name: "behind a good one", act: frames(append(wsframes.Masked(0x82, hx("C000")), hx("F2 80 00000000")...)),
		want: ended{reason: "frame-protocol", code: 1002, level: "WARN", saw: hx("C000")}, leave: 0x82},
	{act: frames(hx("82 FF 0000000020000001 00000000")), want: ended{reason: "frame-too-long", code: 1009, level: "WARN"}, leave: 0x95},
	{act: frames(bytes.Repeat(wsframes.Masked(0x8A, ""), 1001)), want: ended{reason: "control-flood", code: 1008, level: "WARN"}, leave: 0x97}, // attack 17
}

func TestDeviceReasons(t *testing.T) { run(t, "session_ends_total", deviceCases) }

func (d *device) halfClose() { _ = d.nc.(interface{ CloseWrite() error }).CloseWrite() }

// packetsIn gives a packet that has begun so much time without a byte.
func packetsIn(d time.Duration) func(*bridge.Limits) {
	return func(l *bridge.Limits) { l.PacketTimeout = d }
}

// onlineForEver is online without a keep alive.
func (s *scene) onlineForEver() {
	s.upgrade()
	s.dev.send(connect(s.v, "c", 0))
	s.br = s.broker()
	s.br.expect(connect(s.v, "c", 0))
	s.br.send(connack(s.v))
	s.dev.expect(connack(s.v))
}

// stopReading is a device that comes online and reads no more, while there is something to read.
func (s *scene) stopReading() {
	s.dev = s.crampedDevice()
	s.dev.send(connect(s.v, "c", 0))
	s.br = s.broker()
	s.br.expect(connect(s.v, "c", 0))
	s.br.send(connack(s.v))
	s.dev.expect(connack(s.v))
	s.br.send(publish(s.v, "t", string(make([]byte, 5000))))
}

// brokerCases are ends that the broker causes.
var brokerCases = []endCase{
	{only: mqttio.V5, act: after(func(s *scene) { s.br.send(hx("D000 E0028B00 D000")) }),
		want: ended{reason: "broker-disconnect", code: 1000, packets: hx("D000 E0028B00")}},
	{act: after(func(s *scene) { s.br.end() }), want: ended{reason: "broker-closed", code: 1012, level: "WARN"}, leave: 0x80},
	{name: "behind a packet", act: after(func(s *scene) { s.br.send(hx("D000")); s.br.end() }),
		want: ended{reason: "broker-closed", code: 1012, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{name: "mid packet", act: after(func(s *scene) { s.br.send(hx("D000 3005 0001")); s.br.end() }), // attack 23
		want: ended{reason: "broker-closed", code: 1012, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{name: "before CONNACK", act: func(s *scene) { s.dialled(); s.br.end() },
		want: ended{reason: "broker-closed", code: 1012, level: "WARN", metric: "refusals_total"}, connack: [2]byte{3, 0x88}},
	{act: after(func(s *scene) { s.br.nc.Reset() }), want: ended{reason: "broker-lost", code: 1012, level: "WARN", broken: true}, leave: 0x80},
	{name: "before CONNACK", act: func(s *scene) { s.dialled(); s.br.nc.Reset() },
		want:    ended{reason: "broker-lost", code: 1012, level: "WARN", broken: true, metric: "refusals_total"},
		connack: [2]byte{3, 0x88}},
	{act: (*scene).stall, want: ended{reason: "broker-stalled", code: 1013, level: "WARN", saw: hx("C000 C000 C000 C000")}, leave: 0x89},
	{limits: packetsIn(time.Minute), act: func(s *scene) { s.onlineForEver(); s.br.send(hx("D000 3005 0001")) },
		want: ended{reason: "broker-packet-timeout", code: 1012, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{act: after(func(s *scene) { s.br.send(hx("D000 D00100")) }),
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{name: "packet over the limit", limits: func(l *bridge.Limits) { l.PacketSize = 200 }, act: after(func(s *scene) { s.br.send(hx("30 C901")) }), // attack 22
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN"}, leave: 0x80},
	{name: "second CONNACK", act: after(func(s *scene) { s.br.send(hx("D000"), connack(s.v)) }),
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{name: "long second CONNACK", act: after(func(s *scene) { s.br.send(hx("D000 20 80 80 08"), make([]byte, 2<<16)) }),
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN", packets: hx("D000")}, leave: 0x80},
	{name: "PINGRESP before CONNACK", act: func(s *scene) { s.dialled(); s.br.send(hx("D000")) },
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN", metric: "refusals_total"}, connack: [2]byte{3, 0x88}},
	{name: "HTTP before CONNACK", act: func(s *scene) { s.dialled(); s.br.send([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) },
		want: ended{reason: "broker-malformed", code: 1011, level: "WARN", metric: "refusals_total"}, connack: [2]byte{3, 0x88}},
}

func TestBrokerReasons(t *testing.T) { run(t, "session_ends_total", brokerCases) }

// end is the broker closing its direction.
func (b *broker) end() { _ = b.nc.CloseWrite() }

// stall is a broker that stops reading.
func (s *scene) stall() {
	s.cramped()
	s.onlineForEver()
	s.dev.send(hx("C000 C000 C000 C000 C000"))
}

// bridgeCases are ends that the bridge itself causes.
var bridgeCases = []endCase{
	{act: after(func(s *scene) { s.drain() }), want: ended{reason: "shutdown", code: 1001}, leave: 0x8B},
	{name: "before CONNECT", act: func(s *scene) { s.upgrade(); synctest.Wait(); s.drain() },
		want: ended{reason: "shutdown", code: 1001, metric: "refusals_total"}},
	{name: "before CONNACK", act: func(s *scene) { s.dialled(); s.drain() },
		want: ended{reason: "shutdown", code: 1001, metric: "refusals_total"}, connack: [2]byte{3, 0x88}},
	{name: "while dialling", act: func(s *scene) {
		s.hangDial()
		s.upgrade()
		s.dev.send(s.connect())
		synctest.Wait()
		s.drain()
	}, want: ended{reason: "shutdown", code: 1001, metric: "refusals_total"}, connack: [2]byte{3, 0x88}},
	{act: after(func(s *scene) { s.close() }), want: ended{reason: "cut", level: "WARN"}},
	{act: func(s *scene) { s.onlineForEver(); s.dev.send(halfPublish(s.v)); s.budget.over.Store(1) },
		want: ended{reason: "memory-short", code: 1013, level: "WARN"}, leave: 0x89},
	{name: "before CONNECT", act: func(s *scene) { s.upgrade(); s.dev.send(halfConnect()); s.budget.over.Store(1) },
		want: ended{reason: "memory-short", code: 1013, level: "WARN", metric: "refusals_total"}},
	{act: func(s *scene) { s.up.panics.Store(true); s.dialled(); s.br.send(connack(s.v)) },
		want: ended{reason: "internal-error", code: 1011, level: "ERROR", metric: "refusals_total"}, connack: [2]byte{3, 0x80}},
	{name: "while dialling", act: func(s *scene) { s.panicDial(); s.upgrade(); s.dev.send(s.connect()) },
		want: ended{reason: "internal-error", code: 1011, level: "ERROR", metric: "refusals_total"}, connack: [2]byte{3, 0x80}},
}

func TestBridgeReasons(t *testing.T) { run(t, "session_ends_total", bridgeCases) }

func (s *scene) panicDial() {
	s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) { panic("dial") })
}

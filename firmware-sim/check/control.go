package check

import (
	"bytes"
	"fmt"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// controlAssertions are about pings, pongs and the ways to leave.
func controlAssertions() []Assertion {
	return []Assertion{
		{"ping-answered", "a ping is answered with the same payload", "U7, RFC 6455 5.5.3", nil, pingAnswered("are you there")},
		{"ping-empty", "an empty ping is answered", "U7", []string{"esp32-idf"}, pingAnswered("")},
		{"pong-unsolicited", "an unsolicited pong is ignored", "U7", []string{"dotnet-mqttnet"}, afterFrame(func(w *peer) []byte {
			return w.frame(true, wire.Pong, []byte("keep alive"))
		})},
		{"pong-unmasked", "an unmasked pong is tolerated", "U3",
			those(func(p profile.Profile) bool { return p.Receiver.Ping == profile.AnswerUnmasked }), afterFrame(func(*peer) []byte {
				return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Pong}, nil)
			})},
		{"close-answered", "CLOSE 1000 is answered and the connection closed", "RFC 6455 5.5.1", nil, leaves(func(w *peer) []byte {
			return w.frame(true, wire.Close, []byte{3, 0xE8})
		}, true)},
		{"close-unmasked", "an unmasked CLOSE ends the connection", "U3", those(func(p profile.Profile) bool { return p.Closing.Unmasked }),
			leaves(func(*peer) []byte {
				return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Close}, []byte{3, 0xE8})
			}, false)},
		{"close-12592", "the close code 12592 ends the connection like any other", "U6",
			those(func(p profile.Profile) bool { return string(p.Closing.Payload) == "1000" }), leaves(func(w *peer) []byte {
				return w.frame(true, wire.Close, []byte("1000"))
			}, false)},
		{"close-plain-will", "a plain TCP close fires the will", "U8",
			those(func(p profile.Profile) bool { return p.Closing.Plain }), will(true, func(w *peer) error { return w.conn.Close() })},
		{"close-frame-will", "CLOSE without DISCONNECT fires the will", "MQTT-3.1.2-8", []string{"everybody"}, will(true, func(w *peer) error {
			return w.raw(w.frame(true, wire.Close, []byte{3, 0xE8}))
		})},
		{"disconnect-no-will", "DISCONNECT takes the will away", "MQTT-3.14.4-3", []string{"everybody"}, will(false, func(w *peer) error {
			if err := w.send(packet.Disconnect()); err != nil {
				return err
			}
			return w.conn.Close()
		})},
	}
}

func pingAnswered(text string) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		w.control = true
		if err := w.raw(w.frame(true, wire.Ping, []byte(text))); err != nil {
			return failed(err)
		}
		for {
			f, err := w.next(p.config.Step)
			if err != nil {
				return failed(err)
			}
			if f.Op == wire.Pong {
				return passIf(bytes.Equal(f.Payload, []byte(text)), "pong %q", f.Payload)
			}
		}
	}
}

// afterFrame sends a frame on a session and checks that the session lives on.
func afterFrame(make func(*peer) []byte) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		if err := w.raw(make(w)); err != nil {
			return failed(err)
		}
		if err := w.send(packet.Pingreq()); err != nil {
			return failed(err)
		}
		if _, err := w.await(packet.PINGRESP); err != nil {
			return failed(err)
		}
		return Pass, "the session lives on"
	}
}

// leaves sends a farewell and checks that the endpoint closes, with a CLOSE of its own when answer is set.
func leaves(farewell func(*peer) []byte, answer bool) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		if err := w.raw(farewell(w)); err != nil {
			return failed(err)
		}
		w.left = true
		how, _, still := w.closure()
		return passIf(!still && (!answer || bytes.HasPrefix([]byte(how), []byte("CLOSE"))), "%s", how)
	}
}

// will watches a device's will while it leaves in some way.
func will(fires bool, leave func(*peer) error) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		watcher, err := p.connected()
		if err != nil {
			return failed(err)
		}
		topic, err := watcher.subscribe()
		if err != nil {
			return failed(err)
		}
		w, err := p.upgrade()
		if err != nil {
			return failed(err)
		}
		if err := w.login(&packet.Message{Topic: topic, Payload: []byte("gone")}); err != nil {
			return failed(err)
		}
		if err := leave(w); err != nil {
			return failed(err)
		}
		begin := time.Now()
		patience := p.config.Step
		if !fires {
			patience = min(patience, p.config.Quiet)
		}
		for {
			got, err := watcher.packet(patience)
			if err != nil {
				return passIf(!fires, "no will within %s", time.Since(begin).Round(100*time.Millisecond))
			}
			if got.Type == packet.PUBLISH {
				return passIf(fires, "will %q", got.Payload)
			}
		}
	}
}

// offenceAssertions are what an endpoint must not put up with.
func offenceAssertions() []Assertion {
	masked := func(fin bool, rsv byte, op wire.Opcode, b []byte) []byte {
		return wire.AppendFrame(nil, wire.Header{Fin: fin, RSV: rsv, Op: op, Masked: true, Mask: [4]byte{5, 6, 7, 8}}, b)
	}
	huge := func(length uint64) func(*peer) []byte {
		return func(w *peer) []byte {
			h := wire.AppendHeader(nil, wire.Header{Fin: true, Op: wire.Binary, Masked: true, Length: length})
			return append(h, w.connectPacket(nil)...)
		}
	}
	connect := func(bytes func(c []byte) []byte) func(*peer) []byte {
		return func(w *peer) []byte { return bytes(w.connectPacket(nil)) }
	}
	return []Assertion{
		{"text-refused", "a text frame ends the connection", "U9, MQTT-6.0.0-1, attack 14", nil,
			refused(connect(func(c []byte) []byte { return masked(true, 0, wire.Text, c) }))},
		{"unmasked-refused", "unmasked data ends the connection", "RFC 6455 5.1, attack 13", nil,
			refused(connect(func(c []byte) []byte { return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary}, c) }))},
		{"rsv-refused", "a reserved bit ends the connection", "RFC 6455 5.2, attack 11", nil,
			refused(connect(func(c []byte) []byte { return masked(true, 4, wire.Binary, c) }))},
		{"opcode-refused", "a reserved opcode ends the connection", "RFC 6455 5.2, attack 15", nil,
			refused(connect(func(c []byte) []byte { return masked(true, 0, 3, c) }))},
		{"control-too-long", "a control frame of 126 bytes ends the connection", "RFC 6455 5.5, attack 12", nil,
			refused(func(*peer) []byte { return masked(true, 0, wire.Ping, make([]byte, 126)) })},
		{"control-fragmented", "a fragmented control frame ends the connection", "RFC 6455 5.5, attack 12", nil,
			refused(func(*peer) []byte { return masked(false, 0, wire.Ping, []byte("x")) })},
		{"continuation-stray", "a continuation without a beginning ends the connection", "RFC 6455 5.4, attack 16", nil,
			refused(connect(func(c []byte) []byte { return masked(true, 0, wire.Continuation, c) }))},
		{"length-sign-bit", "a frame length with the sign bit set ends this connection and no other", "attack 9", nil, refused(huge(1 << 63))},
		{"length-huge", "a frame length of 2^63-1 ends the connection", "attack 9", nil, refused(huge(1<<63 - 1))},
		{"first-not-connect", "a first packet other than CONNECT ends the connection", "MQTT-3.1.0-1, attack 26", nil,
			refused(func(w *peer) []byte { return w.frame(true, wire.Binary, w.version.Subscribe(1, 0, w.name)) })},
		{"remaining-length-5", "a Remaining Length of five bytes ends the connection", "attack 6", nil,
			refused(func(w *peer) []byte {
				return w.frame(true, wire.Binary, append([]byte{0x10, 0x80, 0x80, 0x80, 0x80, 0x01}, make([]byte, 32)...))
			})},
		{"second-connect", "a second CONNECT ends the connection", "MQTT-3.1.0-2, attack 25", nil,
			refusedLater(func(w *peer) []byte { return w.frame(true, wire.Binary, w.connectPacket(nil)) })},
		{"broker-packet-up", "a packet that only brokers send ends the connection", "attack 27", nil,
			refusedLater(func(w *peer) []byte { return w.frame(true, wire.Binary, []byte{0x20, 2, 0, 0}) })},
	}
}

// refused sends an offence right after the 101.
func refused(offence func(*peer) []byte) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.upgrade()
		if err != nil {
			return failed(err)
		}
		return w.offend(offence)
	}
}

// refusedLater sends an offence within a session.
func refusedLater(offence func(*peer) []byte) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		return w.offend(offence)
	}
}

// offend expects the connection to end without service, and the endpoint to serve others as before.
func (w *peer) offend(offence func(*peer) []byte) (Status, string) {
	if err := w.raw(offence(w)); err != nil {
		return Pass, err.Error()
	}
	how, served, still := w.closure()
	if served || still {
		return Fail, how
	}
	if _, err := w.p.connected(); err != nil {
		return Fail, fmt.Sprintf("%s; afterwards nobody could connect: %v", how, err)
	}
	return Pass, how
}

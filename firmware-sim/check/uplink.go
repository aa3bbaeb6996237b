package check

import (
	"fmt"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// cutter turns one packet into the bytes of frames.
type cutter func(w *peer, b []byte) []byte

func uplinkAssertions() []Assertion {
	cuts := func(c profile.Cut) []string {
		return those(func(p profile.Profile) bool { return p.Uplink.Cut == c })
	}
	return []Assertion{
		{"up-split", "a packet may be split over frames", "U1", append(cuts(profile.Chunks), cuts(profile.Blocks)...),
			served(func(w *peer, b []byte) []byte {
				return append(w.frame(true, wire.Binary, b[:len(b)/2]), w.frame(true, wire.Binary, b[len(b)/2:])...)
			})},
		{"up-one-byte-frames", "a frame may hold a single byte", "U1", cuts(profile.ByField), served(func(w *peer, b []byte) (out []byte) {
			for i := range b {
				out = append(out, w.frame(true, wire.Binary, b[i:i+1])...)
			}
			return out
		})},
		{"up-empty-frames", "a frame may hold nothing", "U1", []string{"autopaho-linux-arm"}, served(func(w *peer, b []byte) []byte {
			out := append(w.frame(true, wire.Binary, nil), w.frame(true, wire.Binary, b[:1])...)
			out = append(out, w.frame(true, wire.Binary, nil)...)
			return append(out, w.frame(true, wire.Binary, b[1:])...)
		})},
		{"up-fragments", "a packet may come as FIN=0 and continuation", "U1", cuts(profile.Fragments), served(func(w *peer, b []byte) []byte {
			return append(w.frame(false, wire.Binary, b[:1]), w.frame(true, wire.Continuation, b[1:])...)
		})},
		{"up-empty-fragments", "fragments may be empty", "RFC 6455 5.4, attack 16", nil, served(func(w *peer, b []byte) []byte {
			out := append(w.frame(false, wire.Binary, nil), w.frame(false, wire.Continuation, b)...)
			return append(out, w.frame(true, wire.Continuation, nil)...)
		})},
		{"up-ping-between-fragments", "a ping may stand between fragments", "RFC 6455 5.4", nil, served(func(w *peer, b []byte) []byte {
			out := append(w.frame(false, wire.Binary, b[:1]), w.frame(true, wire.Ping, []byte("x"))...)
			return append(out, w.frame(true, wire.Continuation, b[1:])...)
		})},
		{"up-coalesced", "a frame may hold several packets", "U1, MQTT-6.0.0-2", cuts(profile.Blocks), coalesced},
		{"up-pipelined", "packets may follow CONNECT at once", "MQTT 3.1.4", []string{"aws-crt"}, pipelined},
		{"up-header-apart", "frame header and payload may come in separate segments", "U2",
			those(func(p profile.Profile) bool { return p.Uplink.HeaderApart }), headerApart},
		{"up-zero-mask", "the masking key may be zero", "U4",
			those(func(p profile.Profile) bool { return p.Uplink.Mask == profile.ZeroLargeMask }), served(func(_ *peer, b []byte) []byte {
				return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary, Masked: true}, b)
			})},
		{"up-wide-length", "a length may take more bytes than it needs", "U5",
			those(func(p profile.Profile) bool { return p.Uplink.WideAt64K }), served(func(_ *peer, b []byte) []byte {
				return wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Wide: true}, b)
			})},
	}
}

// served checks that CONNECT, SUBSCRIBE and PUBLISH work when every packet is cut that way.
func served(cut cutter) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.upgrade()
		if err != nil {
			return failed(err)
		}
		if err := w.raw(cut(w, w.connectPacket(nil))); err != nil {
			return failed(err)
		}
		if err := w.connack(); err != nil {
			return failed(err)
		}
		topic := w.name + "/t"
		if err := w.raw(cut(w, w.version.Subscribe(1, 0, topic))); err != nil {
			return failed(err)
		}
		if _, err := w.await(packet.SUBACK); err != nil {
			return failed(err)
		}
		if err := w.raw(cut(w, w.version.Publish(packet.Message{Topic: topic, Payload: []byte("marco")}))); err != nil {
			return failed(err)
		}
		return w.expect("marco")
	}
}

// expect waits for a message with that payload.
func (w *peer) expect(payloads ...string) (Status, string) {
	for _, want := range payloads {
		got, err := w.await(packet.PUBLISH)
		if err != nil {
			return failed(err)
		}
		if string(got.Payload) != want {
			return Fail, fmt.Sprintf("%q came back as %q", want, got.Payload)
		}
	}
	return Pass, "served"
}

func coalesced(p *probe) (Status, string) {
	w, err := p.connected()
	if err != nil {
		return failed(err)
	}
	topic := w.name + "/t"
	all := w.version.Subscribe(1, 0, topic)
	for _, text := range []string{"one", "two", "three"} {
		all = append(all, w.version.Publish(packet.Message{Topic: topic, Payload: []byte(text)})...)
	}
	if err := w.send(all); err != nil {
		return failed(err)
	}
	return w.expect("one", "two", "three")
}

func pipelined(p *probe) (Status, string) {
	w, err := p.upgrade()
	if err != nil {
		return failed(err)
	}
	topic := w.name + "/t"
	err = w.send(w.connectPacket(nil), w.version.Subscribe(1, 0, topic),
		w.version.Publish(packet.Message{Topic: topic, Payload: []byte("early")}))
	if err != nil {
		return failed(err)
	}
	if err := w.connack(); err != nil {
		return failed(err)
	}
	return w.expect("early")
}

// headerApart pauses between header and payload, so that they arrive in segments of their own.
func headerApart(p *probe) (Status, string) {
	w, err := p.upgrade()
	if err != nil {
		return failed(err)
	}
	raw := w.frame(true, wire.Binary, w.connectPacket(nil))
	for _, part := range [][]byte{raw[:1], raw[1:6], raw[6:]} {
		if err := w.raw(part); err != nil {
			return failed(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err := w.connack(); err != nil {
		return failed(err)
	}
	return Pass, "CONNACK"
}

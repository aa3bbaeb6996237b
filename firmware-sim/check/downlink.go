package check

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

const burst = 20

func downlinkAssertions() []Assertion {
	aligned := those(func(p profile.Profile) bool { return p.Receiver.OnePacketPerFrame })
	fragments := those(func(p profile.Profile) bool { return p.Receiver.Continuation != profile.Accept })
	return []Assertion{
		{"one-packet-per-frame", "each packet of a burst comes in a frame of its own", "D1", aligned, afterBurst(func(w *peer) (Status, string) {
			for i, n := range w.sizes {
				if !w.log[i].Op.Control() && n != 1 {
					return Fail, fmt.Sprintf("%s holds %s", w.log[i], contents(n))
				}
			}
			return Pass, fmt.Sprintf("%d frames", len(w.log))
		})},
		{"no-text-down", "every data frame is binary", "D1, MQTT-6.0.0-1",
			those(func(p profile.Profile) bool { return p.Receiver.Text != profile.Accept }),
			afterBurst(noFrame(func(h wire.Header) bool { return h.Op == wire.Text }))},
		{"no-empty-frame", "no data frame is empty", "D1",
			those(func(p profile.Profile) bool { return p.Receiver.Empty != profile.Accept }),
			afterBurst(noFrame(func(h wire.Header) bool { return h.Length == 0 && !h.Op.Control() }))},
		{"no-continuation", "no frame is a fragment, not of a packet of 20 KB either", "D1", fragments, afterLarge(20000, func(w *peer) (Status, string) {
			return noFrame(func(h wire.Header) bool { return !h.Fin || h.Op == wire.Continuation })(w)
		})},
		{"not-masked", "no frame is masked, every length is minimal, no reserved bit is set", "D5, RFC 6455 5.1, 5.2", []string{"everybody"},
			afterLarge(70000, noFrame(func(h wire.Header) bool { return h.Masked || h.Wide || h.RSV != 0 }))},
		{"large-intact", "a message of 70,000 bytes comes back unchanged", "MQTT-6.0.0-2", []string{"everybody"},
			afterLarge(70000, func(w *peer) (Status, string) { return Pass, fmt.Sprintf("%d frames", len(w.log)) })},
		{"frame-single-write", "header and payload of a small frame come in one piece", "D2",
			[]string{"esp32-idf", "esp32-idf-legacy", "paho-java-android"}, afterBurst(onFrameEnds)},
		{"no-ping", "no ping is sent to an idle device", "D6",
			those(func(p profile.Profile) bool { return p.Receiver.Ping != profile.AnswerPong }), noPing},
		{"order-kept", "packets come back in the order they were sent", "MQTT-4.6.0", []string{"everybody"},
			afterBurst(func(*peer) (Status, string) { return Pass, fmt.Sprintf("%d messages in order", burst) })},
	}
}

func contents(n int) string {
	if n < 0 {
		return "parts of a packet"
	}
	return fmt.Sprintf("%d packets", n)
}

// afterBurst sends a burst of small messages to itself, checks number and order, and lets judge look at the frames.
func afterBurst(judge func(*peer) (Status, string)) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		topic, err := w.subscribe()
		if err != nil {
			return failed(err)
		}
		var all [][]byte
		for i := range burst {
			all = append(all, w.version.Publish(packet.Message{Topic: topic, Payload: fmt.Appendf(nil, "%04d", i)}))
		}
		if err := w.send(all...); err != nil {
			return failed(err)
		}
		for i := range burst {
			got, err := w.await(packet.PUBLISH)
			if err != nil {
				return Fail, fmt.Sprintf("message %d of %d: %v", i+1, burst, err)
			}
			if want := fmt.Sprintf("%04d", i); string(got.Payload) != want {
				return Fail, fmt.Sprintf("message %q where %q was due", got.Payload, want)
			}
		}
		return judge(w)
	}
}

// afterLarge sends one message of n bytes to itself and compares it.
func afterLarge(n int, judge func(*peer) (Status, string)) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		topic, err := w.subscribe()
		if err != nil {
			return failed(err)
		}
		body := make([]byte, n)
		for i := range body {
			body[i] = byte(p.rng.Uint32())
		}
		if err := w.send(w.version.Publish(packet.Message{Topic: topic, Payload: body})); err != nil {
			return failed(err)
		}
		got, err := w.await(packet.PUBLISH)
		if err != nil {
			return failed(err)
		}
		if !bytes.Equal(got.Payload, body) {
			return Fail, fmt.Sprintf("%d B came back changed", len(got.Payload))
		}
		return judge(w)
	}
}

// noFrame judges by a frame that must not be there.
func noFrame(bad func(wire.Header) bool) func(*peer) (Status, string) {
	return func(w *peer) (Status, string) {
		if i := slices.IndexFunc(w.log, bad); i >= 0 {
			return Fail, w.log[i].String()
		}
		return Pass, fmt.Sprintf("%d frames, the largest of %d B", len(w.log),
			slices.MaxFunc(w.log, func(a, b wire.Header) int { return int(a.Length) - int(b.Length) }).Length)
	}
}

// onFrameEnds checks that no read ended inside a frame: all of them are far smaller than a segment.
func onFrameEnds(w *peer) (Status, string) {
	ends := make(map[int]bool)
	b := w.conn.bytes
	for at := 0; at < len(b); {
		h, n, err := wire.ParseHeader(b[at:])
		if err != nil {
			break
		}
		at += n + int(h.Length)
		ends[at] = true
	}
	for _, end := range w.conn.chunks {
		if !ends[end] {
			return Fail, fmt.Sprintf("a read ended inside a frame, at byte %d", end)
		}
	}
	return Pass, fmt.Sprintf("%d reads, each ending with a frame", len(w.conn.chunks))
}

func noPing(p *probe) (Status, string) {
	w, err := p.connected()
	if err != nil {
		return failed(err)
	}
	w.control = true
	end := time.Now().Add(p.config.Quiet)
	for {
		f, err := w.next(time.Until(end))
		if err != nil {
			break
		}
		if f.Op == wire.Ping {
			return Fail, f.Header.String()
		}
	}
	return passIf(!time.Now().Before(end.Add(-10*time.Millisecond)), "quiet for %s", p.config.Quiet)
}

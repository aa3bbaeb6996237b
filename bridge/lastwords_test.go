package bridge_test

import (
	"bytes"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// deaf cannot be written to once it is told so.
type deaf struct {
	*memnet.Conn
	now *atomic.Bool
}

func (c deaf) Write(p []byte) (int, error) {
	if c.now.Load() {
		return 0, errors.New("the device has gone")
	}
	return c.Conn.Write(p)
}

// TestAnswerToOneThatHasGone: a device that has earned an answer, has said DISCONNECT and has gone is not there to hear the answer. What it
// said reaches the broker, and no will is published [MQTT-3.14.4-3].
func TestAnswerToOneThatHasGone(t *testing.T) {
	t.Run("one", func(t *testing.T) { answersToOneThatHasGone(t, 1) })
	t.Run("more than one write", func(t *testing.T) { answersToOneThatHasGone(t, 300) })
}

func answersToOneThatHasGone(t *testing.T, answers int) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.pass.Policy = &policyFake{}
		ours, theirs := memnet.Pipe(bufferSize)
		t.Cleanup(func() { ours.Close() })
		var gone atomic.Bool
		s.serve(deaf{theirs, &gone})
		s.dev = newDevice(t, ours)
		s.dev.request(goodHandshake)
		s.dev.send(s.connect())
		s.br = s.broker()
		s.br.expect(s.connect())
		s.br.send(connack(v))
		s.dev.expect(connack(v))
		good := publish(v, "ok", "x")
		much := bytes.Repeat(good, 270) // two reads, after which all that follows is read at once
		s.dev.send(much)
		s.br.expect(much)
		gone.Store(true)
		bad := publishOf(v, 0x32, "no", 0x102, "", "x")
		s.dev.send(slices.Concat(good, bytes.Repeat(bad, answers), good, hx("E000")))
		if saw, err := s.br.rest(); err != nil || !bytes.Equal(saw, slices.Concat(good, good, hx("E000"))) {
			t.Errorf("broker sees % x and %v", saw, err)
		}
		s.settled()
	})
}

// revoking is a policy that calls a function when it is asked about a topic.
type revoking struct {
	policyFake
	f func()
}

func (p *revoking) MayPublish(topic []byte) bool {
	if string(topic) == "ok/last" {
		p.f()
	}
	return p.policyFake.MayPublish(topic)
}

// TestWhatWasReadGoesOn: a session that ends while what its device has sent is looked at passes all of it on, to the DISCONNECT.
func TestWhatWasReadGoesOn(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRigWith(t, bridge.Options{Limits: plenty()}), v: v}
		s.certified = true
		s.pass.Policy = &revoking{f: s.revoke}
		s.online()
		sent := bytes.Join([][]byte{publish(v, "ok", "x"), publish(v, "ok/last", "y"), publish(v, "ok", "z"), hx("E000")}, nil)
		s.dev.send(sent)
		if saw, err := s.br.rest(); err != nil || !bytes.Equal(saw, sent) {
			t.Errorf("broker sees % x and %v, want % x", saw, err, sent)
		}
		s.settled()
	})
}

// TestNothingFollowsTheBrokersDisconnect: no answer of the bridge's own goes behind it, though the acknowledgement that it waited for came
// just before [MQTT-3.14.4-1].
func TestNothingFollowsTheBrokersDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := policedScene(t, mqttio.V5)
		good := publishOf(s.v, 0x32, "ok", 0x101, "", "x")
		s.dev.send(good, publishOf(s.v, 0x32, "no", 0x102, "", "x"))
		s.br.expect(good)
		s.br.send(hx("4002 0101 E0028B00"))
		if h := s.dev.rest(); !bytes.Equal(h.packets, hx("4002 0101 E0028B00")) {
			t.Errorf("device hears %v", h)
		}
		s.settled()
	})
}

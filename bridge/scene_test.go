package bridge_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// scene is one device and its broker.
type scene struct {
	*rig
	v   mqttio.Version
	dev *device
	br  *broker // nil until the bridge has dialled
}

var versions = []mqttio.Version{mqttio.V31, mqttio.V311, mqttio.V5}

// bubbles runs f in a bubble of its own for each version.
func bubbles(t *testing.T, f func(t *testing.T, v mqttio.Version)) {
	for _, v := range versions {
		t.Run("MQTT "+v.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, v) })
		})
	}
}

func (s *scene) connect() []byte { return connect(s.v, "c", 60) }

// upgrade opens the WebSocket.
func (s *scene) upgrade() {
	s.t.Helper()
	s.dev = s.open()
}

// dialled is a device whose broker has CONNECT and did not answer yet.
func (s *scene) dialled() {
	s.t.Helper()
	s.upgrade()
	s.dev.send(s.connect())
	s.br = s.broker()
	s.br.expect(s.connect())
}

// online is a device that the broker has accepted.
func (s *scene) online() {
	s.t.Helper()
	s.dialled()
	s.br.send(connack(s.v))
	s.dev.expect(connack(s.v))
	synctest.Wait()
}

// startOnline makes a rig and brings a device online in it.
func startOnline(t testing.TB, v mqttio.Version, change func(*bridge.Limits)) *scene {
	s := &scene{rig: newRig(t, change), v: v}
	s.online()
	return s
}

// drain begins a drain, which ends with the test.
func (r *rig) drain() { r.async(func() { r.bridge.Drain(context.Background(), 100) }) }

// close cuts all sessions.
func (r *rig) close() { r.async(r.bridge.Close) }

func (r *rig) async(f func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	r.t.Cleanup(wg.Wait)
}

// cramped makes a broker connection that holds few bytes, so that it stalls soon.
func (r *rig) cramped() { r.up.size.Store(8) }

// crampedDevice opens a WebSocket over a connection that holds few bytes.
func (s *scene) crampedDevice() *device {
	s.t.Helper()
	ours, theirs := memnet.Pipe(256)
	s.t.Cleanup(func() { ours.Close() })
	s.serve(theirs)
	d := newDevice(s.t, ours)
	d.request(goodHandshake)
	return d
}

// ended is what all audiences must have heard of one session's end.
type ended struct {
	reason  string
	level   string
	metric  string // without its reason
	packets []byte // that the device hears
	code    int    // of the close frame; 0: none
	quiet   bool   // the device hears nothing at all, or only noise that the script does not look at
	reset   bool   // the device sees its connection break
	saw     []byte // what the broker sees before the end
	broken  bool   // the broker's connection is not ended cleanly, because the script broke it
}

// check reads both ends to the end and holds everything against want.
func (s *scene) check(want ended) {
	s.t.Helper()
	if s.dev != nil && !want.quiet {
		why := reason.ByLabel(want.reason)
		h := s.dev.rest()
		closed := want.code == h.code && (h.code == 0 || h.text == why.String())
		if !bytes.Equal(h.packets, want.packets) || !closed || h.cut || (h.err != nil) != want.reset {
			s.t.Errorf("device hears %v, want packets % x, close %d", h, want.packets, want.code)
		}
	}
	if s.br != nil {
		saw, err := s.br.rest()
		if (err != nil) != want.broken || !want.broken && !bytes.Equal(saw, want.saw) {
			s.t.Errorf("broker sees % x and %v, want % x and the end", saw, err, want.saw)
		}
	} else {
		s.undialled()
	}
	s.settled()
	s.checkAccounts(want)
}

// checkAccounts looks at the log and the metrics: one line and one count.
func (s *scene) checkAccounts(want ended) {
	s.t.Helper()
	message := map[string]string{"refusals_total": "device refused", "session_ends_total": "session ended",
		"abandoned_total": "device left before it was accepted"}[want.metric]
	lines := s.log.ends(s.t)
	if len(lines) != 1 || lines[0]["reason"] != want.reason || lines[0]["level"] != want.level || lines[0]["msg"] != message {
		s.t.Errorf("log has %v, want one %q with reason %s at level %s", lines, message, want.reason, want.level)
	}
	if n := s.counted(); len(n) != 1 || n[want.metric+"{"+want.reason+"}"] != 1 {
		s.t.Errorf("counted %v, want one %s of %s", n, want.metric, want.reason)
	}
}

// serve gives the server a connection that a test made itself.
func (r *rig) serve(nc net.Conn) {
	r.t.Helper()
	if err := r.listener.Offer(nc); err != nil {
		r.t.Fatal(err)
	}
}

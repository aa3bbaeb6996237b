package fleet_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// A line that is slow by order is no fault of the endpoint: the end waits for what the line needs.
func TestEndWaitsForSlowLines(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "esp32-idf,hivemq-android", 4)
	c.Messages, c.Commands, c.Drain = 5, 5, 5*time.Second
	c.Device.Impair = impair.Spec{Latency: 400 * time.Millisecond, Stall: 300 * time.Millisecond, StallP: 0.3}
	r := run(t, c)
	if want := c.Drain + 4*(400+300)*time.Millisecond; !r.Clean || r.End.Silence != want || r.End.CutShort {
		t.Errorf("broken: %s; %+v, want a silence of %s", bad(r), r.End, want)
	}
	for q, x := range r.Delivery.QoS {
		if q > 0 && x.Acked != x.Sent {
			t.Errorf("QoS %d: devices left before the acknowledgements came: %+v", q, x)
		}
	}
}

func TestUnacknowledgedMessagesAreNotLost(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t, "swallows-acks").URL, "flutter-dart", 2)
	c.Messages, c.QoS, c.Birth, c.Drain = 5, [3]float64{0, 1, 0}, false, 2*time.Second
	r := run(t, c)
	if q := r.Delivery.QoS[1]; q.Lost != 0 || q.Unacknowledged != 10 || q.Unfinished != 0 || bad(r) != "nothing unfinished" {
		t.Errorf("broken: %q: %+v", bad(r), q)
	}
}

// A broker may allow fewer messages under way than a device would send (MQTT-3.3.4-9).
func TestReceiveMaximumOfTheBrokerIsKept(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t, "swallows-acks", "one-at-a-time").URL, "hivemq-android", 2)
	c.Messages, c.QoS, c.Birth, c.Drain = 5, [3]float64{0, 1, 0}, false, time.Second
	until := make(chan struct{})
	c.Until = until
	var once sync.Once
	c.Progress = func(p fleet.Progress) { // once a second, in which the other eight had the time to come
		if p.Received >= 2 {
			once.Do(func() { close(until) })
		}
	}
	if q := run(t, c).Delivery.QoS[1]; q.Received != 2 || q.Unacknowledged != 2 || q.Lost != 0 {
		t.Errorf("one message under way for each of two devices: %+v", q)
	}
}

// What a device still holds when the time is up is neither lost nor delivered, and the time is up at the limit.
func TestEndIsBoundedAndSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	e := faulty.Start(t, "swallows-acks")
	c := config(t, e.URL, "flutter-dart", 3)
	c.Device.Clean, c.Device.Expiry, c.Birth = false, 60, false
	c.Messages, c.Rate, c.QoS, c.Limits.Losses = 100, 20, [3]float64{0, 1, 0}, 3
	c.Drain, c.DrainLimit = time.Second, time.Second
	until := make(chan struct{})
	c.Until = until
	var err error
	if c.Witness, err = wire.NewEndpoint(e.Broker, nil); err != nil {
		t.Fatal(err)
	}
	var once, again sync.Once
	closed := false // owned by the progress
	c.Progress = func(p fleet.Progress) {
		if closed {
			again.Do(func() { close(until) })
		}
		if p.Received > 0 {
			once.Do(func() { e.Close(); closed = true })
		}
	}
	r := run(t, c)
	q := r.Delivery.QoS[1]
	if !r.End.CutShort || q.Unacknowledged == 0 || q.Lost != 0 || q.Sent != q.Received+q.Unfinished {
		t.Errorf("broken: %q: %+v, %+v", bad(r), q, r.End)
	}
	if !strings.Contains(bad(r), "nothing unfinished") {
		t.Errorf("broken: %q", bad(r))
	}
}

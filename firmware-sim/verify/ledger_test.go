package verify_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/verify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var at = time.Unix(1700000000, 0)

func TestBooks(t *testing.T) {
	l := verify.NewLedger(2)
	got := func(device int, seqs ...uint64) {
		for _, s := range seqs {
			l.Received(device, s, 1, false, at, at.Add(time.Duration(s)*time.Millisecond))
		}
	}
	for range 10 {
		l.Sent(0, 1)
	}
	for seq := range uint64(8) {
		l.Acked(0, seq+1)
	}
	l.Resent(0, 3)
	got(0, 1, 2, 3, 3, 5, 4, 5)        // 3 resent once, 4 behind 5, 5 doubled, 6 to 10 lost
	l.Received(5, 1, 0, false, at, at) // no such device
	got(1, 1)                          // never sent
	r := l.Report()
	want := verify.Totals{Sent: 10, Resent: 1, Received: 5, Acked: 8, Lost: 5, LostAcked: 3, Doubles: 1, Redelivered: 1, Reordered: 1}
	if r.QoS[1] != want {
		t.Errorf("got %+v\nwant %+v", r.QoS[1], want)
	}
	if r.Foreign != 2 {
		t.Errorf("%d foreign", r.Foreign)
	}
	ranges := r.Lost[0].Ranges
	if len(ranges) != 2 || ranges[0] != (verify.Range{First: 6, Last: 8, QoS: 1, Acked: true}) || ranges[1] != (verify.Range{First: 9, Last: 10, QoS: 1}) {
		t.Errorf("lost %+v", ranges)
	}
	if r.Latency[1].Count != 5 || r.Latency[1].Max < 4*time.Millisecond {
		t.Errorf("latency %+v", r.Latency[1])
	}
	if l.Missing() != 5 {
		t.Errorf("%d missing", l.Missing())
	}
}

// A long run must not keep every message, and must not forget a loss.
func TestSettledMessagesAreForgottenLossesAreNot(t *testing.T) {
	l := verify.NewLedger(1)
	for i := range 300_000 {
		seq := l.Sent(0, 0)
		if i != 7 {
			l.Received(0, seq, 0, false, at, at)
		}
	}
	l.Received(0, 299_000, 0, false, at, at)
	r := l.Report()
	if r.QoS[0].Lost != 1 || len(r.Lost) != 1 || r.Lost[0].Ranges[0].First != 8 {
		t.Errorf("lost %+v %+v", r.QoS[0], r.Lost)
	}
	if r.QoS[0].Doubles != 1 {
		t.Errorf("%d doubles", r.QoS[0].Doubles)
	}
}

// An endpoint may deliver a QoS 1 message again, with DUP, to a subscriber that was cut off; a QoS 2 message it may not.
func TestDeliveriesWithDup(t *testing.T) {
	l := verify.NewLedger(1)
	for _, qos := range []byte{1, 1, 2} {
		l.Acked(0, l.Sent(0, qos))
	}
	for seq, qos := range map[uint64]byte{1: 1, 2: 1, 3: 2} {
		l.Received(0, seq, qos, false, at, at)
		l.Received(0, seq, qos, seq != 2, at, at)
	}
	r := l.Report()
	if q := r.QoS[1]; q.Redelivered != 1 || q.Doubles != 1 || r.QoS[2].Doubles != 1 || q.Lost+r.QoS[2].Lost != 0 {
		t.Errorf("QoS 1 %+v, QoS 2 %+v", q, r.QoS[2])
	}
}

func TestUnfinishedIsNotLost(t *testing.T) {
	l := verify.NewLedger(1)
	for range 4 {
		l.Sent(0, 1)
	}
	l.Received(0, 1, 1, false, at, at) // arrived, and never acknowledged
	l.Acked(0, 4)                      // acknowledged, and lost
	for _, seq := range []uint64{1, 2, 4, 2, 9} {
		l.Unfinished(0, seq)
	}
	want := verify.Totals{Sent: 4, Received: 1, Acked: 1, Lost: 2, LostAcked: 1, Unfinished: 1, Unacknowledged: 1}
	r := l.Report()
	if r.QoS[1] != want || len(r.Lost[0].Ranges) != 3 || !r.Lost[0].Ranges[0].Held {
		t.Errorf("got %+v, want %+v: %+v", r.QoS[1], want, r.Lost)
	}
}

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
			l.Received(device, s, 1, at, at.Add(time.Duration(s)*time.Millisecond))
		}
	}
	for range 10 {
		l.Sent(0, 1)
	}
	for seq := range uint64(8) {
		l.Acked(0, seq+1)
	}
	l.Resent(0, 3)
	got(0, 1, 2, 3, 3, 5, 4, 5) // 3 resent once, 4 behind 5, 5 doubled, 6 to 10 lost
	l.Received(5, 1, 0, at, at) // no such device
	got(1, 1)                   // never sent
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
			l.Received(0, seq, 0, at, at)
		}
	}
	l.Received(0, 299_000, 0, at, at)
	r := l.Report()
	if r.QoS[0].Lost != 1 || len(r.Lost) != 1 || r.Lost[0].Ranges[0].First != 8 {
		t.Errorf("lost %+v %+v", r.QoS[0], r.Lost)
	}
	if r.QoS[0].Doubles != 1 {
		t.Errorf("%d doubles", r.QoS[0].Doubles)
	}
}

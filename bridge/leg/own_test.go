package leg_test

import (
	"sync"
	"testing"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/mqttio"
)

// TestSayDuringAWrite: what is said while somebody writes goes behind that, whoever comes last, and nobody waits for the peer.
func TestSayDuringAWrite(t *testing.T) {
	var l leg.Leg
	begun, goOn := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(begun); <-goOn })
	p := peer{before: once}
	l.Init(&p, nil)
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		buf, ends := run(numbered(message, 1))
		done <- l.Write(buf, ends, false)
	}()
	<-begun
	buf, _ := run(numbered(own, 0))
	if err := l.Say(buf, leg.Puback, 0); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(false); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := string(numbered(message, 1)) + string(numbered(own, 0)); string(p.got) != want {
		t.Errorf("the peer has % x, want % x", p.got, want)
	}
}

// TestSayAndWriteAtOnce: of what two goroutines say and pass on at once nothing is lost, and all that is said goes without another write.
func TestSayAndWriteAtOnce(t *testing.T) {
	const each = 5000
	var l leg.Leg
	var p peer
	l.Init(&p, nil)
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := range uint16(each) {
			buf, ends := run(numbered(message, n), numbered(puback, n))
			l.Pass(mqttio.TypePuback)
			if err := l.Write(buf, ends, false); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for n := range uint16(each) {
			buf, _ := run(numbered(own, n))
			for l.Say(buf, leg.Puback, uint64(n)) == leg.ErrFull {
				_ = l.Flush(true)
			}
			if err := l.Flush(n%2 == 0); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Wait()
	if p.frames != 3*each {
		t.Errorf("%d packets at the peer, want %d", p.frames, 3*each)
	}
}

// TestQuietForgetsNothing: whatever may go when a write ends has gone when Write returns, also where a ping was between the two.
func TestQuietForgetsNothing(t *testing.T) {
	var l leg.Leg
	var p peer
	l.Init(&p, nil)
	if err := l.Open(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				l.Quiet(func(bool) {})
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	for n := range 20000 {
		answer, _ := run(numbered(own, 0))
		if err := l.Say(answer, leg.Puback, uint64(n+1)); err != nil {
			t.Fatal(err)
		}
		buf, ends := run(numbered(puback, 0))
		l.Pass(mqttio.TypePuback)
		if err := l.Write(buf, ends, false); err != nil {
			t.Fatal(err)
		}
		if want := 2 * (n + 1); p.frames != want {
			t.Fatalf("%d packets at the peer, want %d", p.frames, want)
		}
	}
}

// budget is memory of a fixed size.
type budget struct{ left int64 }

func (b *budget) Remember(n int64) bool {
	if n > b.left {
		return false
	}
	b.left -= n
	return true
}

// TestQueueIsBounded: what waits for an end is limited and counted, and all of it is given back.
func TestQueueIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		memory int64
		want   error
	}{"bytes": {1 << 20, leg.ErrFull}, "memory": {8 << 10, leg.ErrNoMemory}} {
		t.Run(name, func(t *testing.T) {
			var l leg.Leg
			var p peer
			m := &budget{left: c.memory}
			l.Init(&p, m)
			buf, _ := run(make([]byte, 1000))
			var err error
			said := 0
			for ; err == nil; said++ {
				err = l.Say(buf, leg.Puback, 0)
			}
			if err != c.want || said > 70 {
				t.Fatalf("after %d packets: %v, want %v", said, err, c.want)
			}
			if m.left == c.memory {
				t.Error("nothing was counted")
			}
			if err := l.Open(); err != nil {
				t.Fatal(err)
			}
			if m.left != c.memory {
				t.Errorf("%d bytes are still counted", c.memory-m.left)
			}
		})
	}
}

// TestMost: a packet of the bridge's own is no larger than the peer takes [MQTT-3.1.2-24] [MQTT-3.2.2-15].
func TestMost(t *testing.T) {
	var l leg.Leg
	l.Init(&peer{}, nil)
	l.SetMost(4)
	small, _ := run(make([]byte, 4))
	large, _ := run(make([]byte, 5))
	if err := l.Say(small, leg.Puback, 0); err != nil {
		t.Error(err)
	}
	if err := l.Say(large, leg.Puback, 0); err != leg.ErrTooLarge {
		t.Errorf("5 bytes where 4 are taken: %v", err)
	}
}

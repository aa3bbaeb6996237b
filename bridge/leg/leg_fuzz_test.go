package leg_test

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/mqttio"
)

// peer is the other side of an end: it keeps what is written to it.
type peer struct {
	got    []byte
	frames int
	writes uint32
	fail   error
	before func() // called at the begin of each write
}

func (p *peer) Read([]byte) (int, error) { return 0, net.ErrClosed }

func (p *peer) WriteFrames(buf []byte, ends []int) error {
	if p.before != nil {
		p.before()
	}
	p.writes += 2
	p.frames += len(ends)
	p.got = append(p.got, buf[mqttio.Headroom:ends[len(ends)-1]]...)
	return p.fail
}

func (p *peer) WriteProgress() uint32 { return p.writes }

// run lays packets out as a run.
func run(packets ...[]byte) (buf []byte, ends []int) {
	buf = make([]byte, mqttio.Headroom)
	for _, p := range packets {
		buf = append(buf, p...)
		ends = append(ends, len(buf))
	}
	return buf, ends
}

// saying is what Farewell takes for a packet that depends on nothing.
func saying(packet []byte) func() []byte { return func() []byte { return packet } }

// The schedules below write three kinds of packets: messages of the other end, whose first byte is a PUBLISH's, acknowledgements of it, and
// the bridge's own, which are PUBCOMP so that they can be told apart. Each has a number.
func numbered(first byte, n uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{first, 2}, n)
}

const (
	message = 0x30
	puback  = byte(mqttio.TypePuback) << 4
	own     = byte(mqttio.TypePubcomp) << 4
)

// schedule drives a leg as bytes say, and knows what must come of it.
type schedule struct {
	t       *testing.T
	peer    peer
	leg     leg.Leg
	long    []byte // what is left of a long packet under way
	sent    []byte // messages and acknowledgements, in their order
	after   []uint64
	passed  uint64
	opened  bool
	counter uint16
}

func (s *schedule) next() uint16 { s.counter++; return s.counter }

// pass passes packets of the other end on.
func (s *schedule) pass(part bool, packets ...[]byte) {
	for _, p := range packets {
		if p[0] == puback {
			s.leg.Pass(mqttio.TypePuback)
			s.passed++
		}
		s.sent = append(s.sent, p...)
	}
	buf, ends := run(packets...)
	if err := s.leg.Write(buf, ends, part); err != nil {
		s.t.Fatalf("write: %v", err)
	}
}

func (s *schedule) step(op byte) {
	switch n := int(op >> 4); op & 15 {
	case 0, 1: // whole packets
		if s.long == nil {
			packets := [][]byte{numbered(message, s.next())}
			for range n {
				packets = append(packets, numbered(puback, s.next()))
			}
			s.pass(false, packets...)
		}
	case 2: // the begin of a long packet
		if s.long == nil {
			s.long = append([]byte{message, 100}, make([]byte, 100)...)
			s.rest(n + 1)
		}
	case 3: // a part of it
		if s.long != nil {
			s.rest(n + 1)
		}
	case 4: // the rest
		if s.long != nil {
			s.rest(len(s.long))
		}
	case 5, 6, 7: // something of the bridge's own, behind acknowledgements that have gone by or will
		after := max(0, int64(s.passed)+int64(n)-8)
		buf, _ := run(numbered(own, uint16(len(s.after))))
		if err := s.leg.Say(buf, leg.Puback, uint64(after)); err != nil {
			s.t.Fatalf("say: %v", err)
		}
		s.after = append(s.after, uint64(after))
	case 8:
		if err := s.leg.Flush(n&1 == 0); err != nil {
			s.t.Fatalf("flush: %v", err)
		}
	case 9:
		s.opened = true
		if err := s.leg.Open(); err != nil {
			s.t.Fatalf("open: %v", err)
		}
	}
}

func (s *schedule) rest(n int) {
	n = min(n, len(s.long))
	part := s.long[:n]
	if s.long = s.long[n:]; len(s.long) == 0 {
		s.long = nil
	}
	s.pass(s.long != nil, part)
}

// check looks at what the peer got: whole packets, those passed on as they came, and the bridge's own in their order and at their time.
func (s *schedule) check() (own uint16) {
	var passed []byte
	acks := uint64(0)
	for b := s.peer.got; len(b) > 0; {
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			passed = append(passed, b...) // a part of a long packet, which is the last thing
			break
		}
		p := b[:2+int(b[1])]
		b = b[len(p):]
		if p[0] != byte(mqttio.TypePubcomp)<<4 {
			passed = append(passed, p...)
			if p[0] == puback {
				acks++
			}
			continue
		}
		if n := binary.BigEndian.Uint16(p[2:]); n != own {
			s.t.Fatalf("packet %d of the bridge's own comes as number %d", n, own)
		}
		if acks < s.after[own] {
			s.t.Fatalf("packet %d of the bridge's own comes behind %d acknowledgements, not %d", own, acks, s.after[own])
		}
		own++
	}
	if string(passed) != string(s.sent) {
		s.t.Fatalf("the peer has % x, passed on were % x", passed, s.sent)
	}
	return own
}

// FuzzLeg: in any schedule, with packets cut anywhere, the peer has what was passed on unchanged, and the bridge's own packets between
// whole packets, in their order, none before its acknowledgements [MQTT-4.6.0-2], and all that may go.
func FuzzLeg(f *testing.F) {
	f.Add([]byte{9, 0, 0x85, 0x30, 5, 2, 5, 3, 4, 8})
	f.Add([]byte{5, 5, 0x95, 0, 9, 0x10, 0xF5, 0x70, 8})
	f.Add([]byte{2, 0x85, 0xF3, 4, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := &schedule{t: t}
		s.leg.Init(&s.peer, nil)
		for _, op := range ops[:min(len(ops), 500)] {
			s.step(op)
		}
		if s.long != nil {
			s.rest(len(s.long))
		}
		got := s.check()
		due := uint16(0)
		for due < uint16(len(s.after)) && s.opened && s.after[due] <= s.passed {
			due++
		}
		if err := s.leg.Flush(true); err != nil {
			t.Fatal(err)
		}
		if again := s.check(); again != due || got > again {
			t.Fatalf("%d packets of the bridge's own have come, %d may", again, due)
		}
	})
}

// TestLast: nothing follows a DISCONNECT [MQTT-3.14.4-2], nor the bridge's own last packet.
func TestLast(t *testing.T) {
	for name, last := range map[string]func(*leg.Leg) error{
		"passed on": func(l *leg.Leg) error {
			l.Last()
			buf, ends := run([]byte{0xE0, 0})
			return l.Write(buf, ends, false)
		},
		"farewell": func(l *leg.Leg) error { buf, _ := run([]byte{0xE0, 0}); return l.Farewell(saying(buf)) },
	} {
		t.Run(name, func(t *testing.T) {
			var p peer
			var l leg.Leg
			l.Init(&p, nil)
			if err := errors.Join(l.Open(), last(&l)); err != nil {
				t.Fatal(err)
			}
			buf, ends := run(numbered(own, 0))
			if err := errors.Join(l.Say(buf, leg.Puback, 0), l.Flush(true), l.Farewell(saying(buf))); err != nil {
				t.Fatal(err)
			}
			if err := l.Write(buf, ends, false); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write behind the last: %v", err)
			}
			if string(p.got) != "\xE0\x00" {
				t.Errorf("the peer has % x", p.got)
			}
		})
	}
}

// TestFarewellInsideAPacket: inside a long packet nothing can be said.
func TestFarewellInsideAPacket(t *testing.T) {
	var p peer
	var l leg.Leg
	l.Init(&p, nil)
	buf, ends := run([]byte{message, 100, 0})
	if err := l.Write(buf, ends, true); err != nil {
		t.Fatal(err)
	}
	bye, _ := run([]byte{0xE0, 0})
	if err := l.Farewell(saying(bye)); err != nil || len(p.got) != 3 {
		t.Errorf("the peer has % x, %v", p.got, err)
	}
}

// TestFarewellKnowsWhatWasWritten: who says goodbye while the write that opens the leg is under way decides what to say when the peer has
// had that: CONNACK is not followed by another [MQTT-3.2.0-2].
func TestFarewellKnowsWhatWasWritten(t *testing.T) {
	var l leg.Leg
	begun, goOn := make(chan struct{}), make(chan struct{})
	p := peer{before: sync.OnceFunc(func() { close(begun); <-goOn })}
	l.Init(&p, nil)
	connack, bye := []byte{0x20, 2, 0, 0}, []byte{0xE0, 0}
	online := false
	l.Opens(func() { online = true })
	answer, _ := run(numbered(own, 0))
	if err := l.Say(answer, leg.Puback, 0); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf, ends := run(connack)
		_ = l.Write(buf, ends, false)
	})
	<-begun
	wg.Go(func() {
		_ = l.Farewell(func() []byte {
			if !online {
				t.Error("asked what to say before the peer had CONNACK")
			}
			buf, _ := run(bye)
			return buf
		})
	})
	close(goOn)
	wg.Wait()
	if got := string(p.got); got != string(connack)+string(bye) && got != string(connack)+string(numbered(own, 0))+string(bye) {
		t.Errorf("the peer has % x", got)
	}
}

// TestNothingFollowsABrokenWrite: the peer may have a part of what was written, and takes what follows for the rest of it.
func TestNothingFollowsABrokenWrite(t *testing.T) {
	for name, broken := range map[string]func(l *leg.Leg) error{
		"passed on": func(l *leg.Leg) error { buf, ends := run(numbered(message, 0)); return l.Write(buf, ends, false) },
		"own": func(l *leg.Leg) error {
			buf, _ := run(numbered(own, 0))
			return errors.Join(l.Say(buf, leg.Puback, 0), l.Flush(true))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := peer{fail: errors.New("broken")}
			var l leg.Leg
			l.Init(&p, nil)
			if err := errors.Join(l.Open(), broken(&l)); err == nil {
				t.Fatal("no error")
			}
			bye, _ := run([]byte{0xE0, 0})
			if p.fail = nil; l.Farewell(saying(bye)) != nil || p.frames != 1 {
				t.Errorf("%d packets were written", p.frames)
			}
		})
	}
}

// TestPanicOfTheConnection: a connection that panics leaves the leg usable for the goodbye.
func TestPanicOfTheConnection(t *testing.T) {
	var l leg.Leg
	p := peer{before: func() { panic("broken") }}
	l.Init(&p, nil)
	func() {
		defer func() { _ = recover() }()
		buf, ends := run(numbered(message, 0))
		_ = l.Write(buf, ends, false)
	}()
	p.before = nil
	if !l.Quiet(func(bool) {}) {
		t.Fatal("the lock is kept")
	}
}

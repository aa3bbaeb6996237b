package park_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/park"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bell is a waker that counts.
type bell chan struct{}

func (b bell) Wake() { b <- struct{}{} }

func (b bell) rings(t *testing.T) {
	t.Helper()
	select {
	case <-b:
	case <-time.After(10 * time.Second):
		t.Fatal("not woken")
	}
}

// silent fails if the bell rang, or rings before other, which is known to ring, does.
func (b bell) silent(t *testing.T) {
	t.Helper()
	select {
	case <-b:
		t.Fatal("woken for nothing")
	default:
	}
}

func newLot(t *testing.T) *park.Lot {
	l, err := park.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func sockets(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func place(t *testing.T, l *park.Lot, conns ...net.Conn) (*park.Place, bell) {
	t.Helper()
	b := make(bell, 16)
	p, err := l.Place(b, conns...)
	if err != nil {
		t.Fatal(err)
	}
	return p, b
}

func parkAt(t *testing.T, p *park.Place) {
	t.Helper()
	if err := p.Park(); err != nil {
		t.Fatal(err)
	}
}

func TestWakesForEitherConnection(t *testing.T) {
	l := newLot(t)
	here1, there1 := sockets(t)
	here2, there2 := sockets(t)
	p, b := place(t, l, here1, here2)
	for _, ends := range [][2]net.Conn{{here1, there1}, {here2, there2}} {
		parkAt(t, p)
		b.silent(t)
		ends[1].Write([]byte("x"))
		b.rings(t)
		ends[0].Read(make([]byte, 1)) // so that the next round begins with nothing to read
	}
}

func TestWakesAtOnceForWhatCameBefore(t *testing.T) {
	l := newLot(t)
	here, there := sockets(t)
	p, b := place(t, l, here)
	parkAt(t, p)
	there.Write([]byte("x"))
	b.rings(t)
	parkAt(t, p) // the byte was not read
	b.rings(t)
}

func TestWakesWhenThePeerCloses(t *testing.T) {
	l := newLot(t)
	here, there := sockets(t)
	p, b := place(t, l, here)
	parkAt(t, p)
	there.Close()
	b.rings(t)
}

func TestDoesNotWakeWhoDidNotPark(t *testing.T) {
	l := newLot(t)
	here1, there1 := sockets(t)
	here2, there2 := sockets(t)
	p1, b1 := place(t, l, here1)
	p2, b2 := place(t, l, here2)
	parkAt(t, p1)
	there1.Write([]byte("x"))
	b1.rings(t)
	there1.Write([]byte("x")) // awake now: nobody is to be told
	parkAt(t, p2)
	there2.Write([]byte("x"))
	b2.rings(t)
	b1.silent(t)
}

func TestPlaceIsGivenOutAgain(t *testing.T) {
	l := newLot(t)
	here1, there1 := sockets(t)
	p1, b1 := place(t, l, here1)
	parkAt(t, p1)
	p1.Leave() // its socket is still in the set
	here2, there2 := sockets(t)
	p2, b2 := place(t, l, here2)
	parkAt(t, p2)
	there1.Write([]byte("x")) // an event for the place that was left
	there2.Write([]byte("x"))
	b2.rings(t)
	b1.silent(t)
	b2.silent(t)
}

func TestConnectionWithoutSocket(t *testing.T) {
	l := newLot(t)
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	if _, err := l.Place(make(bell), here); !errors.Is(err, park.ErrUnsupported) {
		t.Errorf("error is %v", err)
	}
}

func TestParkOnAClosedConnection(t *testing.T) {
	l := newLot(t)
	here, _ := sockets(t)
	p, _ := place(t, l, here)
	here.Close()
	if err := p.Park(); err == nil {
		t.Error("parked on a closed connection")
	}
}

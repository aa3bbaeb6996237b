package null

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, ws bool) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", ws)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// dial opens a connection by coder/websocket, an independent witness, or by TCP.
func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	if !s.ws {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	socket, _, err := websocket.Dial(ctx, "ws://"+s.Address, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.CloseNow() })
	socket.SetReadLimit(-1)
	return websocket.NetConn(ctx, socket, websocket.MessageBinary)
}

func expect(t *testing.T, conn net.Conn, want byte) *packets.ControlPacket {
	t.Helper()
	got, err := packets.ReadPacket(conn)
	if err != nil {
		t.Fatalf("wait for packet %d: %v", want, err)
	}
	if got.Type != want {
		t.Fatalf("got %s, want packet %d", got.PacketType(), want)
	}
	return got
}

// The packets are MQTT 3.1.1, by hand: paho.golang writes those of MQTT 5 only.
var (
	hello     = []byte("\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02d1")
	subscribe = []byte("\x82\x06\x00\x07\x00\x01t\x00")
	ping      = []byte{typePingreq, 0}
)

func write(t *testing.T, conn net.Conn, b []byte) {
	t.Helper()
	if _, err := conn.Write(b); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, conn net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		more, err := conn.Read(got[n:])
		if err != nil {
			t.Fatalf("wait for %x: %v", want, err)
		}
		n += more
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("got %x, want %x", got, want)
	}
}

func eachKind(t *testing.T, test func(t *testing.T, ws bool)) {
	t.Run("tcp", func(t *testing.T) { test(t, false) })
	t.Run("ws", func(t *testing.T) { test(t, true) })
}

func TestAnswersAndCounts(t *testing.T) {
	eachKind(t, func(t *testing.T, ws bool) {
		s := start(t, ws)
		ready, end := make(chan struct{}), make(chan struct{})
		s.Begin(Job{Devices: 1, Ready: func() { close(ready) }, End: func() { close(end) }})
		conn := dial(t, s)
		write(t, conn, hello)
		read(t, conn, []byte{0x20, 2, 0, 0})
		<-ready
		var burst []byte
		for _, size := range []int{0, 1, 100, 200, 20_000, 40_000, 1 << 20} {
			burst = append(burst, publish("a/b", size)...)
		}
		acknowledged := publish("a/b", 10)
		acknowledged[0] |= 2 // QoS 1: the first two bytes behind the topic are the identifier
		copy(acknowledged[7:], []byte{0x12, 0x34})
		write(t, conn, append(burst, acknowledged...))
		write(t, conn, ping)
		read(t, conn, []byte{0x40, 2, 0x12, 0x34, 0xD0, 0})
		<-end
		want := Counts{Connects: 1, Published: 8, Bytes: int64(len(burst) + len(acknowledged))}
		if got := s.Counts(); got != want {
			t.Errorf("counted %+v, want %+v", got, want)
		}
	})
}

func TestFloodsWhenAllHaveSubscribed(t *testing.T) {
	eachKind(t, func(t *testing.T, ws bool) {
		s := start(t, ws)
		s.Begin(Job{Devices: 2, Subscribe: true, Flood: 10, Size: 300, Batch: 4})
		first, second := dial(t, s), dial(t, s)
		for _, conn := range []net.Conn{first, second} {
			write(t, conn, hello)
			read(t, conn, []byte{0x20, 2, 0, 0})
			write(t, conn, subscribe)
			read(t, conn, []byte{0x90, 3, 0, 7, 0})
		}
		for _, conn := range []net.Conn{first, second} {
			for range 10 {
				read(t, conn, publish("fsim/load/flood", 300))
			}
			write(t, conn, ping)
			read(t, conn, []byte{0xD0, 0})
		}
		if got := s.Counts().Flooded; got != 20 {
			t.Errorf("counted %d messages to devices, want 20", got)
		}
	})
}

func TestSendsBackWhatWasSubscribedTo(t *testing.T) {
	eachKind(t, func(t *testing.T, ws bool) {
		s := start(t, ws)
		s.Begin(Job{Devices: 1, Subscribe: true})
		conn := dial(t, s)
		write(t, conn, append(append(bytes.Clone(hello), subscribe...), publish("t", 5)...))
		read(t, conn, append([]byte{0x20, 2, 0, 0, 0x90, 3, 0, 7, 0}, publish("t", 5)...))
		write(t, conn, publish("other", 5))
		write(t, conn, ping)
		expect(t, conn, 13)
	})
}

func TestStreamCutAnywhere(t *testing.T) {
	run := append(append(publish("a", 3), publish("a", 40_000)...), ping...)
	for _, cut := range []int{1, 2, 3, 7, 8, 1000, 32_000, 40_010} {
		var s stream
		var sizes []int
		for b := run; len(b) > 0; {
			n := min(cut, len(b))
			if err := s.feed(b[:n], func(_ []byte, size int) error {
				sizes = append(sizes, size)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			b = b[n:]
		}
		if len(sizes) != 3 || sizes[0] != 8 || sizes[1] != 40_007 || sizes[2] != 2 {
			t.Errorf("cut after %d bytes: packets of %v bytes, want 8, 40007, 2", cut, sizes)
		}
	}
}

func TestCloseEndsFloods(t *testing.T) {
	s := start(t, false)
	s.Begin(Job{Devices: 1, Subscribe: true, Flood: 1 << 20, Size: 1000, Batch: 10})
	conn := dial(t, s)
	write(t, conn, append(bytes.Clone(hello), subscribe...))
	read(t, conn, []byte{0x20, 2, 0, 0, 0x90, 3, 0, 7, 0})
	s.Close() // nobody reads the flood: it must not wait for that
}

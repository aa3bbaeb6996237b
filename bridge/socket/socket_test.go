package socket_test

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a connection and its other end.
func pair(t *testing.T, network, address string) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if there, err = net.Dial(network, l.Addr().String()); err == nil {
		here, err = l.Accept()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// TestTaken: the number moves with every byte that the peer takes, and stands still while it takes none, though a write goes on.
func TestTaken(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system counts")
	}
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": t.TempDir() + "/s"} {
		t.Run(network, func(t *testing.T) {
			here, there := pair(t, network, address)
			taken := func() uint64 {
				n, ok := socket.Taken(wrapped{here})
				if !ok {
					t.Fatal("the kernel does not tell")
				}
				return n
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = here.Write(make([]byte, 64<<20))
			}()
			steady := func() uint64 { // until the peer's kernel takes no more
				for last, since := taken(), time.Now(); ; time.Sleep(5 * time.Millisecond) {
					if now := taken(); now != last {
						last, since = now, time.Now()
					} else if time.Since(since) > time.Second {
						return last
					}
				}
			}
			for range 3 {
				before, moved := steady(), false
				for range 128 { // of a Unix socket the number may be the same again once the writer has filled it up
					if _, err := io.CopyN(io.Discard, there, 64<<10); err != nil {
						t.Fatal(err)
					}
					moved = moved || taken() != before
				}
				if !moved {
					t.Error("8 MiB were read, and the number stands still")
				}
			}
			there.Close()
			<-done
			here.Close()
			if _, ok := socket.Taken(here); ok {
				t.Error("a closed connection has a number")
			}
		})
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, ok := socket.Taken(a); ok || socket.Counts(a) {
		t.Error("a pipe has a number")
	}
}

// TestUnacknowledged: nothing is left once the peer's kernel has it.
func TestUnacknowledged(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no other system counts")
	}
	here, _ := pair(t, "tcp", "127.0.0.1:0")
	if _, err := here.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		n, ok := socket.Unacknowledged(here)
		if ok && n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are left, %t", n, ok)
		}
	}
}

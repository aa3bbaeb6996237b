package wsio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
)

// pipeListener hands out the bridge's ends of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial returns the device's end of a connection that waits to be accepted.
func (l *pipeListener) dial() net.Conn {
	device, bridge := net.Pipe()
	go l.offer(bridge)
	return device
}

func (l *pipeListener) offer(bridge net.Conn) {
	select {
	case l.conns <- bridge:
	case <-l.closed:
		_ = bridge.Close()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// bubbleServer serves pipes in a bubble.
type bubbleServer struct {
	l      *pipeListener
	server *http.Server
	served chan error
	conns  chan *frame.Conn
}

const handshakeTime = 10 * time.Second

func newBubbleServer(gate *listener.Gate, config *tls.Config) *bubbleServer {
	s := &bubbleServer{l: newPipeListener(), served: make(chan error, 1), conns: make(chan *frame.Conn, 100)}
	h := handshake.NewHandler(handshake.Options{Accepted: func(c *frame.Conn, _ *http.Request) { s.conns <- c }})
	limits := listener.Limits{HandshakeTimeout: handshakeTime, HeaderSize: 16 << 10}
	s.server = listener.NewServer(h, limits, slog.New(slog.DiscardHandler))
	go func() {
		s.served <- s.server.Serve(gate.Listener(s.l, listener.Options{TLS: config, Limits: limits}))
	}()
	return s
}

func (s *bubbleServer) close(t *testing.T) {
	_ = s.server.Close()
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
}

// serves says whether a new device is let in now. The device stays until the end of the test.
func (s *bubbleServer) serves(t *testing.T) bool {
	device := s.l.dial()
	t.Cleanup(func() { _ = device.Close() })
	go func() { _, _ = io.WriteString(device, goodRequest) }()
	got := make(chan string, 1)
	go func() {
		p := make([]byte, 512)
		n, _ := device.Read(p)
		got <- string(p[:n])
	}()
	synctest.Wait()
	select {
	case response := <-got:
		return response == accepts("mqtt")
	default:
		_ = device.Close()
		<-got
		return false
	}
}

// TestGateReleasesSlots however a connection ends: each way is gone more often than there are slots.
func TestGateReleasesSlots(t *testing.T) {
	const slots = 3
	ways := map[string]func(t *testing.T, s *bubbleServer, device net.Conn){
		"gone_without_a_byte": func(*testing.T, *bubbleServer, net.Conn) {},
		"half_a_request": func(_ *testing.T, _ *bubbleServer, device net.Conn) {
			_, _ = io.WriteString(device, goodRequest[:50])
		},
		"refused": func(_ *testing.T, _ *bubbleServer, device net.Conn) {
			got := wsframes.Collect(device)
			_, _ = io.WriteString(device, without(offersMQTT))
			got.Wait()
		},
		"broken_request": func(_ *testing.T, _ *bubbleServer, device net.Conn) {
			got := wsframes.Collect(device)
			_, _ = io.WriteString(device, "?\r\n\r\n")
			got.Wait()
		},
		"upgraded_and_open": func(t *testing.T, s *bubbleServer, device net.Conn) {
			go func() { _, _ = io.WriteString(device, goodRequest) }()
			_, _ = io.ReadFull(device, make([]byte, len(accepts("mqtt"))))
			conn := <-s.conns
			t.Cleanup(func() { _ = conn.Close() })
		},
		"upgraded_and_closed_twice": func(_ *testing.T, s *bubbleServer, device net.Conn) {
			go func() { _, _ = io.WriteString(device, goodRequest) }()
			_, _ = io.ReadFull(device, make([]byte, len(accepts("mqtt"))))
			conn := <-s.conns
			_ = conn.Close()
			_ = conn.Close()
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: slots}), nil)
				defer s.close(t)
				for range 2 * slots {
					device := s.l.dial()
					way(t, s, device)
					_ = device.Close()
					synctest.Wait()
				}
				for i := range 2 * slots { // and no slot was given back twice, which would show as a deadlock here
					if !s.serves(t) {
						t.Fatalf("device %d was not served", i)
					}
				}
			})
		})
	}
}

// TestGateReleasesSlotsAfterBadTLS: a handshake that fails holds no slot.
func TestGateReleasesSlotsAfterBadTLS(t *testing.T) {
	const slots = 2
	config := tlsConfig(t)
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: slots}), config)
		defer s.close(t)
		for range 2 * slots {
			device := s.l.dial()
			got := wsframes.Collect(device)
			_, _ = device.Write([]byte("\x16\x03\x01\x00\x02no, this is not TLS"))
			got.Wait()
			_ = device.Close()
		}
		device := tls.Client(s.l.dial(), &tls.Config{InsecureSkipVerify: true})
		if err := device.HandshakeContext(context.Background()); err != nil {
			t.Error(err)
		}
		_ = device.Close()
	})
}

// TestGateReleasesSlotsUnderTLS: an upgraded device gives its slot back although TLS keeps the gate's connection.
func TestGateReleasesSlotsUnderTLS(t *testing.T) {
	config := tlsConfig(t)
	config.NextProtos = []string{"h2"} // overruled: nobody speaks it here
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: 1}), config)
		defer s.close(t)
		for range 3 {
			device := tls.Client(s.l.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
			_ = device.SetDeadline(time.Now().Add(patience))
			if err := device.HandshakeContext(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := device.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("ALPN %q", got)
			}
			_, _ = io.WriteString(device, goodRequest)
			if _, err := io.ReadFull(device, make([]byte, len(accepts("mqtt")))); err != nil {
				t.Error(err)
			}
			conn := <-s.conns
			defer conn.Close()
			defer device.NetConn().Close()
		}
	})
}

// TestGateLimits: while all slots are taken nobody is served, and each that comes free serves one more.
func TestGateLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: 2}), nil)
		defer s.close(t)
		first, second := s.l.dial(), s.l.dial()
		defer second.Close()
		synctest.Wait()
		if s.serves(t) {
			t.Error("a third device was served while two had not finished")
		}
		_ = first.Close()
		synctest.Wait()
		if !s.serves(t) {
			t.Error("the slot was not given back")
		}
	})
}

// TestGateIsSharedFairly: a listener to which nobody comes takes no slot from the others.
func TestGateIsSharedFairly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := listener.NewGate(listener.GateOptions{Handshakes: 1})
		idle, busy := newBubbleServer(gate, nil), newBubbleServer(gate, nil)
		defer idle.close(t)
		defer busy.close(t)
		synctest.Wait()
		for _, s := range []*bubbleServer{busy, idle, busy} {
			if !s.serves(t) {
				t.Error("not served")
			}
		}
	})
}

// TestGateCloseWhileFull stops Accept and closes the connection that waited for a slot.
func TestGateCloseWhileFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := newPipeListener()
		l := listener.NewGate(listener.GateOptions{Handshakes: 1}).Listener(pipes, listener.Options{})
		first := pipes.dial()
		held, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		waiting := pipes.dial()
		accepted := make(chan error, 1)
		go func() {
			_, err := l.Accept()
			accepted <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept: %v", err)
		}
		if _, err := waiting.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the one that waited sees %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		_, _ = held.Close(), first.Close()
	})
}

// TestAttack1_slow_headers: a request that drips is cut when the time for the handshake is over.
func TestAttack1_slow_headers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: 1}), nil)
		defer s.close(t)
		device := s.l.dial()
		got := wsframes.Collect(device)
		begin := time.Now()
		var err error
		for _, b := range strings.TrimSuffix(goodRequest, "\r\n") + strings.Repeat("X: y\r\n", 1000) {
			if _, err = io.WriteString(device, string(b)); err != nil {
				break
			}
			time.Sleep(handshakeTime / 20)
		}
		if took := time.Since(begin); err == nil || took > handshakeTime+handshakeTime/20 {
			t.Errorf("cut after %v: %v", took, err)
		}
		if b := got.Wait(); bytes.Contains(b, []byte("101")) || len(b) >= 1024 {
			t.Errorf("got %q", b)
		}
		if !s.serves(t) {
			t.Error("the slot was not given back")
		}
	})
}

// TestAttack2_silence: connections that say nothing, or half a TLS greeting, lose their slots in time.
func TestAttack2_silence(t *testing.T) {
	config := tlsConfig(t)
	for name, c := range map[string]struct {
		config *tls.Config
		says   string
	}{
		"never_a_byte":     {nil, ""},
		"never_a_TLS_byte": {config, ""},
		"half_a_greeting":  {config, "\x16\x03\x01\x02\x00\x01\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newBubbleServer(listener.NewGate(listener.GateOptions{Handshakes: 1}), c.config)
				defer s.close(t)
				device := s.l.dial()
				begin := time.Now()
				if _, err := io.WriteString(device, c.says); err != nil {
					t.Fatal(err)
				}
				wsframes.Collect(device).Wait()
				if took := time.Since(begin); took != handshakeTime {
					t.Errorf("cut after %v", took)
				}
			})
		})
	}
}

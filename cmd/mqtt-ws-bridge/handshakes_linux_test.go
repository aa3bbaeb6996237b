package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge/fairqueue"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/wsio/listener"
)

// greeting is what a TLS client says first: that costs whoever repeats it nothing.
func greeting(t *testing.T) []byte {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	var client sync.WaitGroup
	defer client.Wait()
	client.Go(func() {
		defer theirs.Close()
		_ = tls.Client(theirs, &tls.Config{InsecureSkipVerify: true, ServerName: "127.0.0.1"}).HandshakeContext(context.Background())
	})
	head := make([]byte, 5)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	hello := append(head, make([]byte, int(head[3])<<8|int(head[4]))...)
	if _, err := io.ReadFull(ours, hello[5:]); err != nil {
		t.Fatal(err)
	}
	ours.Close()
	return hello
}

// notedSlots notes who gets a slot, in the order in which they do.
type notedSlots struct {
	handshakeSlots
	mu    sync.Mutex
	hosts []string
}

func (s *notedSlots) Acquire(ctx context.Context, device net.Addr) error {
	err := s.handshakeSlots.Acquire(ctx, device)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts = append(s.hosts, host(device.String()))
	return err
}

// TestHandshakesComputeFairly: many TLS handshakes of one address that all could go on delay one from elsewhere by one step, and a peer
// that says nothing more keeps no slot.
func TestHandshakesComputeFairly(t *testing.T) {
	const crowd = 30
	files := certs.New(t).Server(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slots := &notedSlots{handshakeSlots: handshakeSlots{fairqueue.New(1, 2*crowd)}}
	gate := listener.NewGate(listener.GateOptions{Handshakes: 2 * crowd})
	server := &http.Server{Handler: http.NotFoundHandler()}
	var serving sync.WaitGroup
	serving.Go(func() {
		_ = server.Serve(gate.Listener(l, listener.Options{TLS: &tls.Config{Certificates: []tls.Certificate{pair}}, Computing: slots}))
	})
	defer serving.Wait()
	defer server.Close()
	busy := &net.UnixAddr{Name: "the test"}
	if err := slots.handshakeSlots.Acquire(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	says := greeting(t)
	var all []net.Conn
	for i := range crowd + 1 {
		from := from("127.0.0.2")
		if i == crowd {
			from.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 3)}
		}
		nc, err := from.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if _, err := nc.Write(says); err != nil {
			t.Fatal(err)
		}
		all = append(all, nc)
		for slots.queue.Waiting() != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	slots.Release(busy)
	for _, nc := range all { // each gets its answer, though none says anything more
		_ = nc.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.ReadFull(nc, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	slots.mu.Lock()
	defer slots.mu.Unlock()
	if strings.Join(slots.hosts[:2], " ") != "127.0.0.2 127.0.0.3" {
		t.Errorf("slots are given to %v", slots.hosts)
	}
}

// TestAttack33_TLS_flood: one address sends TLS greetings without end, each of which has the bridge calculate. Devices from elsewhere
// connect, and have their messages echoed, meanwhile.
func TestAttack33_TLS_flood(t *testing.T) {
	const flooding, devices = 50, 5
	says := greeting(t)
	for _, loops := range []string{"auto", "off"} {
		t.Run("event loops "+loops, func(t *testing.T) {
			files := certs.New(t).Server(t, "127.0.0.1")
			p, _ := wireBefore(t, "", func(c *config.Config) {
				c.EventLoops, c.Limits.HandshakeTimeout = loops, time.Minute
				c.Upstream.URLs, c.Embedded.Listen = nil, ""
				c.Listen, c.TLS.Cert, c.TLS.Key = []string{"wss://127.0.0.1:0"}, files.CertFile, files.KeyFile
			})
			defer p.close()
			p.start()
			address := p.deviceListeners[0].Addr().String()
			ctx, stop := context.WithCancel(t.Context())
			var answered atomic.Int64
			var flood sync.WaitGroup
			defer flood.Wait()
			defer stop()
			for range flooding {
				flood.Go(func() {
					for ctx.Err() == nil {
						answered.Add(greet(ctx, address, says))
					}
				})
			}
			for deadline := time.Now().Add(time.Minute); answered.Load() == 0 && time.Now().Before(deadline); {
				time.Sleep(5 * time.Millisecond)
			}
			before := answered.Load()
			var took time.Duration
			for i := range devices {
				began := time.Now()
				serves(t, "wss://"+address+"/mqtt", "127.0.0.3", string(rune('a'+i)), "")
				took = max(took, time.Since(began))
			}
			n := answered.Load() - before
			if t.Logf("a device from elsewhere connects and has its message echoed in at most %v, beside %d handshakes of the flood", took, n); n == 0 {
				t.Error("the flood has stopped: this shows nothing")
			} else if n > flooding*devices { // first come, first served it is three and a half times that
				t.Error("each device had to wait for more handshakes of the flood than there are at a time")
			}
		})
	}
}

// greet sends a greeting and returns 1 once it is answered.
func greet(ctx context.Context, address string, says []byte) int64 {
	nc, err := from("127.0.0.2").DialContext(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	_ = nc.(*net.TCPConn).SetLinger(0) // no ports are used up
	if _, err := nc.Write(says); err != nil {
		return 0
	}
	if _, err := nc.Read(make([]byte, 4096)); err != nil {
		return 0
	}
	return 1
}

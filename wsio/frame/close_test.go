package frame_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

// TestCloseCodes: what the device's close frame says, and what it is answered with (RFC 6455 section 7.4, device-quirks U6).
func TestCloseCodes(t *testing.T) {
	for _, c := range []struct {
		payload   string
		code      int
		empty     bool // the answer
		answering uint16
	}{
		{payload: "", code: 1005, empty: true},
		{payload: "\x03", code: 1005, answering: 1002},
		{payload: wsframes.Closing(1000, ""), code: 1000, answering: 1000},
		{payload: wsframes.Closing(1000, "good bye"), code: 1000, answering: 1000},
		{payload: wsframes.Closing(1001, ""), code: 1001, answering: 1001},
		{payload: wsframes.Closing(1003, ""), code: 1003, answering: 1003},
		{payload: wsframes.Closing(1007, ""), code: 1007, answering: 1007},
		{payload: wsframes.Closing(1014, ""), code: 1014, answering: 1014},
		{payload: wsframes.Closing(3000, ""), code: 3000, answering: 3000},
		{payload: wsframes.Closing(4999, ""), code: 4999, answering: 4999},
		{payload: wsframes.Closing(0, ""), code: 0, answering: 1000},
		{payload: wsframes.Closing(999, ""), code: 999, answering: 1000},
		{payload: wsframes.Closing(1004, ""), code: 1004, answering: 1000},
		{payload: wsframes.Closing(1005, ""), code: 1005, answering: 1000},
		{payload: wsframes.Closing(1006, ""), code: 1006, answering: 1000},
		{payload: wsframes.Closing(1015, ""), code: 1015, answering: 1000},
		{payload: wsframes.Closing(2999, ""), code: 2999, answering: 1000},
		{payload: wsframes.Closing(5000, ""), code: 5000, answering: 1000},
		{payload: "1000", code: 12592, answering: 1000},
		{payload: wsframes.Closing(65535, ""), code: 65535, answering: 1000},
		{payload: wsframes.Closing(1000, "\xc3\x28"), code: 1000, answering: 1002},
		{payload: wsframes.Closing(4000, strings.Repeat("\xff", 123)), code: 4000, answering: 1002},
	} {
		nc := script(wsframes.Masked(wsframes.FIN|wsframes.Close, c.payload))
		conn := frame.NewConn(nc, nil, 1<<16)
		if _, err := conn.Read(make([]byte, 256)); err != io.EOF {
			t.Errorf("%q: %v", c.payload, err)
		}
		if got := conn.PeerClose(); got != c.code {
			t.Errorf("%q: PeerClose %d, want %d", c.payload, got, c.code)
		}
		want := wsframes.Sent(wsframes.Close, wsframes.Closing(c.answering, ""))
		if c.empty {
			want.Payload = ""
		}
		if got := wsframes.MustParse(t, nc.sent()); len(got) != 1 || got[0] != want {
			t.Errorf("%q: answered %q, want %q", c.payload, got, want)
		}
		if err := conn.WriteFrames(layout("late")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%q: a frame after the close frame: %v", c.payload, err)
		}
		if conn.Ping() == nil {
			t.Errorf("%q: a ping after the close frame", c.payload)
		}
	}
}

// pipeConn gives both ends of a connection in a bubble: the device's as it is, the bridge's as a Conn.
func pipeConn() (device net.Conn, conn *frame.Conn) {
	device, bridge := net.Pipe()
	return device, frame.NewConn(halfPipe{bridge}, nil, 1<<16)
}

// halfPipe is a pipe that can be half-closed in name: the tests look at what is read after it.
type halfPipe struct{ net.Conn }

func (halfPipe) CloseWrite() error { return nil }

// TestCloseWith says the code, waits for the device to close, and closes.
func TestCloseWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, conn := pipeConn()
		got := make(chan []byte, 1)
		go func() {
			p := make([]byte, 256)
			n, _ := device.Read(p)
			time.Sleep(time.Second) // of the bubble: the device thinks
			_, _ = device.Write(wsframes.Masked(wsframes.FIN|wsframes.Binary, "still under way"))
			_, _ = device.Write(wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1001, "")))
			_ = device.Close()
			got <- p[:n]
		}()
		begin := time.Now()
		if err := conn.CloseWith(1001, "draining", 10*time.Second); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != time.Second {
			t.Errorf("took %v", took)
		}
		want := wsframes.Sent(wsframes.Close, wsframes.Closing(1001, "draining"))
		if frames := wsframes.MustParse(t, <-got); len(frames) != 1 || frames[0] != want {
			t.Errorf("the device saw %q, want %q", frames, want)
		}
	})
}

// TestCloseWithWaitsNoLonger than it was told, whether the device reads or not.
func TestCloseWithWaitsNoLonger(t *testing.T) {
	for name, reads := range map[string]bool{"device_reads": true, "device_does_not_read": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				device, conn := pipeConn()
				if reads {
					got := wsframes.Collect(device)
					defer got.Wait()
				}
				begin := time.Now()
				_ = conn.CloseWith(1001, "", 3*time.Second)
				if took := time.Since(begin); took != 3*time.Second {
					t.Errorf("took %v", took)
				}
				if _, err := conn.NetConn().Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("the connection is not closed: %v", err)
				}
			})
		})
	}
}

// TestCloseWithFreesAStuckWriter in real time: a bubble's clock stands still while a goroutine waits for a mutex.
func TestCloseWithFreesAStuckWriter(t *testing.T) {
	device, conn := pipeConn()
	defer device.Close()
	written := make(chan error, 1)
	go func() { written <- conn.WriteFrames(layout("packet")) }()
	if _, err := device.Read(make([]byte, 1)); err != nil { // half of the frame's header: the writer is inside
		t.Fatal(err)
	}
	_ = conn.CloseWith(1008, "", 20*time.Millisecond)
	if err := <-written; err == nil {
		t.Error("the writer went on")
	}
}

// readCounter counts reads. It belongs to the goroutine that reads.
type readCounter struct {
	halfPipe
	calls int
}

func (c *readCounter) Read(p []byte) (int, error) {
	c.calls++
	return c.halfPipe.Read(p)
}

// TestCloseWithStopsReading a device that goes on sending without end.
func TestCloseWithStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, bridge := net.Pipe()
		reads := &readCounter{halfPipe: halfPipe{bridge}}
		conn := frame.NewConn(reads, nil, 1<<16)
		got := wsframes.Collect(device)
		sent := make(chan int, 1)
		go func() {
			total := 0
			for {
				n, err := device.Write(make([]byte, 64<<10))
				total += n
				if err != nil {
					sent <- total
					return
				}
			}
		}()
		_ = conn.CloseWith(1002, "", time.Minute)
		if n := <-sent; n > 300<<10 || reads.calls > 50 {
			t.Errorf("%d bytes were read, in %d calls, from a device that had been told goodbye", n, reads.calls)
		}
		_ = got.Wait()
	})
}

// TestCloseTextIsCut on a rune's edge, to what a control frame holds, and is UTF-8 whatever was given.
func TestCloseTextIsCut(t *testing.T) {
	for _, reason := range []string{"", strings.Repeat("a", 123), strings.Repeat("a", 500), "a" + strings.Repeat("ü", 100), "bad \xff\xfe"} {
		nc := script()
		if err := frame.NewConn(nc, nil, 1<<16).CloseWith(1011, reason, time.Second); err != nil {
			t.Fatal(err)
		}
		got := wsframes.MustParse(t, nc.sent())
		if len(got) != 1 || got[0].Op != wsframes.Close || len(got[0].Payload) > 125 || !strings.HasPrefix(got[0].Payload, wsframes.Closing(1011, "")) {
			t.Fatalf("sent %q", got)
		}
		said := got[0].Payload[2:]
		if !utf8.ValidString(said) || utf8.ValidString(reason) && !strings.HasPrefix(reason, said) || len(reason) > 130 && len(said) < 121 {
			t.Errorf("of %q was said %q", reason, said)
		}
		if !nc.closed {
			t.Error("not closed")
		}
	}
}

// TestCloseAfterTheDeviceClosed sends no second close frame and does not wait.
func TestCloseAfterTheDeviceClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, conn := pipeConn()
		got := wsframes.Collect(device)
		go func() { _, _ = device.Write(wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1000, ""))) }()
		if _, err := readStream(conn, 64); err != io.EOF {
			t.Fatal(err)
		}
		begin := time.Now()
		_ = conn.CloseWith(1011, "no", time.Minute)
		if took := time.Since(begin); took != 0 {
			t.Errorf("took %v", took)
		}
		if frames := wsframes.MustParse(t, got.Wait()); len(frames) != 1 || frames[0].Payload != wsframes.Closing(1000, "") {
			t.Errorf("sent %q", frames)
		}
	})
}

// TestCloseOfAStuckTLSDevice is at once: crypto/tls would wait 5 s for room for its goodbye.
func TestCloseOfAStuckTLSDevice(t *testing.T) {
	for name, closeConn := range map[string]func(*frame.Conn) error{
		"Close":     (*frame.Conn).Close,
		"CloseWith": func(c *frame.Conn) error { return c.CloseWith(1001, "", time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			pair := certs.New(t).Server(t, "bridge.test")
			certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
			if err != nil {
				t.Fatal(err)
			}
			config := &tls.Config{Certificates: []tls.Certificate{certificate}}
			synctest.Test(t, func(t *testing.T) {
				device, bridge := net.Pipe()
				server := tls.Server(bridge, config)
				handshake := make(chan error, 1)
				go func() {
					client := tls.Client(device, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
					handshake <- client.Handshake()
				}()
				if err := errors.Join(server.Handshake(), <-handshake); err != nil {
					t.Fatal(err)
				}
				conn := frame.NewConn(server, nil, 1<<16)
				_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
				if err := conn.WriteFrames(layout("nobody reads this")); err == nil {
					t.Fatal("written")
				}
				begin := time.Now()
				_ = closeConn(conn)
				if took := time.Since(begin); took != 0 {
					t.Errorf("took %v", took)
				}
				if _, err := device.Read(make([]byte, 1)); err != io.EOF {
					t.Errorf("the device saw %v", err)
				}
			})
		})
	}
}

// TestReadTimeoutIsNotTheEnd: a deadline on Read may be moved and reading go on.
func TestReadTimeoutIsNotTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, conn := pipeConn()
		wire := wsframes.Masked(wsframes.FIN|wsframes.Binary, "abc")
		go func() {
			_, _ = device.Write(wire[:4])
			time.Sleep(2 * time.Second)
			_, _ = device.Write(wire[4:])
		}()
		_ = conn.SetReadDeadline(time.Now().Add(time.Second))
		p := make([]byte, 64)
		var ne net.Error
		if n, err := conn.Read(p); n != 0 || !errors.As(err, &ne) || !ne.Timeout() {
			t.Fatalf("read %d, %v", n, err)
		}
		_ = conn.SetReadDeadline(time.Time{})
		if n, err := conn.Read(p); err != nil || string(p[:n]) != "abc" {
			t.Errorf("read %q, %v", p[:n], err)
		}
		_ = conn.Close()
	})
}

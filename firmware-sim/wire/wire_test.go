package wire_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The examples of RFC 6455 section 5.7.
func TestFramesOfTheRFC(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for _, x := range []struct {
		h    wire.Header
		want []byte
	}{
		{wire.Header{Fin: true, Op: wire.Text}, []byte{0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}},
		{wire.Header{Fin: true, Op: wire.Text, Masked: true, Mask: key}, []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}},
		{wire.Header{Fin: true, Op: wire.Ping}, []byte{0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f}},
	} {
		if got := wire.AppendFrame(nil, x.h, []byte("Hello")); !bytes.Equal(got, x.want) {
			t.Errorf("%v: % x, want % x", x.h, got, x.want)
		}
		f, err := wire.NewReader(bytes.NewReader(x.want), 16, 100).Next(nil)
		if err != nil || string(f.Payload) != "Hello" || f.Op != x.h.Op || f.Masked != x.h.Masked {
			t.Errorf("% x: %v %v", x.want, f, err)
		}
	}
}

func TestReaderRefusesBeforeItReads(t *testing.T) {
	raw := wire.AppendHeader(nil, wire.Header{Fin: true, Op: wire.Binary, Length: 1 << 63})
	if _, err := wire.NewReader(bytes.NewReader(raw), 16, 1000).Next(nil); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	raw = wire.AppendFrame(nil, wire.Header{Fin: true, Op: wire.Binary}, []byte("cut off"))
	if _, err := wire.NewReader(bytes.NewReader(raw[:5]), 16, 1000).Next(nil); !errors.Is(err, wire.ErrMidFrame) {
		t.Errorf("got %v", err)
	}
}

func TestResponseShowsReadsAndWhatFollows(t *testing.T) {
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = there.Write([]byte("HTTP/1.1 101 Switching"))
		_, _ = there.Write([]byte(" Protocols\r\nUpgrade:websocket\r\nOdd\r\n\r\nmore"))
		_ = there.Close()
	}()
	_ = here.SetDeadline(time.Now().Add(5 * time.Second))
	r, err := wire.ReadResponse(here, 1000)
	<-done
	_ = here.Close()
	if err != nil || r.Status != 101 || r.Reads != 2 || string(r.After) != "more" {
		t.Fatalf("%+v %v", r, err)
	}
	if v, _ := r.Raw("upgrade"); v != "websocket" || r.Lines[1].Colon {
		t.Errorf("lines %+v", r.Lines)
	}
}

func TestResponseLimit(t *testing.T) {
	here, there := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = there.Write(bytes.Repeat([]byte("x"), 3000))
	}()
	if _, err := wire.ReadResponse(here, 1023); !errors.Is(err, wire.ErrHeadTooLarge) {
		t.Errorf("got %v", err)
	}
	_ = here.Close()
	<-done
}

func TestEndpointURLs(t *testing.T) {
	for _, bad := range []string{"", "http://x", "ws://", "127.0.0.1:8083", "ws:///mqtt", "://"} {
		if _, err := wire.NewEndpoint(bad, nil); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for url, want := range map[string]string{"ws://h/mqtt": "h:80", "wss://h": "h:443", "tcp://h": "h:1883", "ssl://h": "h:8883", "ws://[::1]:9/": "[::1]:9"} {
		if e, err := wire.NewEndpoint(url, nil); err != nil || e.Address() != want {
			t.Errorf("%s: %v %v", url, e, err)
		}
	}
}

// An address alone, as people type it, gets the scheme that its port suggests.
func TestURLWithoutSchemeGetsOne(t *testing.T) {
	for raw, want := range map[string]string{
		"127.0.0.1:8083/mqtt": "ws://127.0.0.1:8083/mqtt, or the same with wss, tcp or ssl", "localhost:1883": "tcp://localhost:1883",
		"broker.example": "ws://broker.example", "[::1]:8883": "ssl://[::1]:8883", "h:443/mqtt": "wss://h:443/mqtt",
		"http://h:8083/mqtt": "want ws://h:8083/mqtt", "https://h/mqtt": "want wss://h/mqtt",
	} {
		if _, err := wire.NewEndpoint(raw, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

// A refusal's body is shown, bounded and on one line, whatever is in it and whether or not its length is told.
func TestRefusalShowsItsBody(t *testing.T) {
	for _, x := range []struct{ answer, want string }{
		{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 13\r\n\r\nbroker-down: \n", `HTTP/1.1 503 Service Unavailable: "broker-down:"`},
		{"HTTP/1.1 400 Bad\x1b[31m Request\r\n\r\na\r\nb\x1b\x00" + strings.Repeat("x", 5000), `HTTP/1.1 400 Bad\x1b[31m Request: "a\r\nb\x1b\x00xxx`},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", `HTTP/1.1 404 Not Found`},
		{"HTTP/1.1 426 Upgrade Required\r\n\r\n", `HTTP/1.1 426 Upgrade Required`}, // and the connection stays open
	} {
		here, there := net.Pipe()
		go func() { _, _ = there.Write([]byte(x.answer)) }()
		resp, err := wire.ReadResponse(here, 1023)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Refusal(here); !strings.HasPrefix(got, x.want) || len(got) > 500 || strings.ContainsAny(got, "\r\n\x1b") {
			t.Errorf("%.60q: %s", x.answer, got)
		}
		_, _ = here.Close(), there.Close()
	}
}

func TestSourceAddressesAreSpread(t *testing.T) {
	var from []string
	l := faulty.Listen(t)
	defer func() { _ = l.Close() }()
	e, _ := wire.NewEndpoint("tcp://"+l.Addr().String(), nil)
	e.Source = netip.MustParsePrefix("127.0.0.0/8")
	for _, n := range []int{0, wire.PortsPerAddress - 1, wire.PortsPerAddress, 3 * wire.PortsPerAddress} {
		c, err := e.Dial(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		host, _, _ := net.SplitHostPort(c.LocalAddr().String())
		from = append(from, host)
		_ = c.Close()
	}
	if want := [4]string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.4"}; [4]string(from) != want {
		t.Errorf("from %v", from)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{0x82, 0xFE, 0, 126, 1, 2, 3, 4})
	f.Add([]byte{0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n, err := wire.ParseHeader(b)
		if err != nil {
			return
		}
		again, m, err := wire.ParseHeader(wire.AppendHeader(nil, h))
		if err != nil || again.Length != h.Length || again.Op != h.Op || again.Fin != h.Fin || again.RSV != h.RSV || again.Mask != h.Mask {
			t.Fatalf("%+v became %+v (%v)", h, again, err)
		}
		if !h.Wide && m != n {
			t.Fatalf("%+v: %d bytes, then %d", h, n, m)
		}
	})
}

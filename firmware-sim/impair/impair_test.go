package impair_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/impair"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func spec(t *testing.T, text string) impair.Spec {
	t.Helper()
	s, err := impair.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair returns an impaired end and its peer.
func pair(s impair.Spec, seed uint64) (net.Conn, net.Conn) {
	here, there := net.Pipe()
	return impair.Wrap(here, s, rand.New(rand.NewPCG(seed, 0))), there
}

func TestParse(t *testing.T) {
	s := spec(t, "latency=200ms,jitter=50ms,bandwidth=32kbit,stall=3s@5%,slowread=1kB,halfopen=2%@10s,reset=64KiB,storm=30s")
	want := impair.Spec{Latency: 200 * time.Millisecond, Jitter: 50 * time.Millisecond, Bandwidth: 4000, Stall: 3 * time.Second, StallP: 0.05,
		SlowRead: 1000, HalfOpen: 0.02, HalfAfter: 10 * time.Second, Reset: 65536, Storm: 30 * time.Second}
	if s != want {
		t.Errorf("got %+v", s)
	}
	for _, bad := range []string{"latency", "latency=-1s", "stall=1s@200%", "weather=bad", "reset=much", "bandwidth=0"} {
		if _, err := impair.Parse(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// arrival is when the last of n bytes written at once arrives, and that they arrive unchanged.
func arrival(t *testing.T, s impair.Spec, n int) time.Duration {
	t.Helper()
	var took time.Duration
	synctest.Test(t, func(t *testing.T) {
		c, peer := pair(s, 1)
		sent := bytes.Repeat([]byte("abc"), n/3+1)[:n]
		begin := time.Now()
		if _, err := c.Write(sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		took = time.Since(begin)
		_ = c.Close()
		_ = peer.Close()
	})
	return took
}

func TestLateness(t *testing.T) {
	for text, want := range map[string][2]time.Duration{
		"latency=200ms":              {200 * time.Millisecond, 200 * time.Millisecond},
		"latency=200ms,jitter=100ms": {200 * time.Millisecond, 300 * time.Millisecond},
		"bandwidth=1kB":              {3 * time.Second, 3 * time.Second},
		"stall=4s@100%":              {4 * time.Second, 4 * time.Second},
	} {
		if took := arrival(t, spec(t, text), 3000); took < want[0] || took > want[1] {
			t.Errorf("%s: %s, want %v", text, took, want)
		}
	}
}

func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pair(spec(t, "slowread=1kB"), 1)
		go func() { _, _ = peer.Write(make([]byte, 3000)) }()
		begin := time.Now()
		if _, err := io.ReadFull(c, make([]byte, 3000)); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 2500*time.Millisecond {
			t.Errorf("took %s", took)
		}
		_ = c.Close()
		_ = peer.Close()
	})
}

func TestResetAfterBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pair(spec(t, "reset=100B"), 1)
		go func() { _, _ = c.Write(make([]byte, 150)) }()
		n, err := io.ReadFull(peer, make([]byte, 1000))
		if n != 150 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes, %v", n, err)
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("the device does not notice")
		}
		_ = c.Close()
	})
}

func TestHalfOpenPeerIsSilentAndNotClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pair(spec(t, "halfopen=100%@10s"), 1)
		time.Sleep(11 * time.Second) // synctest's clock, not the wall's
		if _, err := c.Write([]byte("anybody?")); err != nil {
			t.Error(err)
		}
		_ = peer.SetReadDeadline(time.Now().Add(time.Minute))
		var timeout net.Error
		if n, err := peer.Read(make([]byte, 10)); n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%d bytes, %v", n, err)
		}
		_ = c.Close()
		_ = peer.Close()
	})
}

func TestSameSeedSameFaults(t *testing.T) {
	s := spec(t, "latency=1ms,jitter=500ms,stall=1s@50%")
	if a, b := arrival(t, s, 900), arrival(t, s, 900); a != b {
		t.Errorf("%s and %s", a, b)
	}
}

func TestGoodLineIsLeftAlone(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _, _ = here.Close(), there.Close() }()
	if impair.Wrap(here, impair.Spec{Storm: time.Second}, nil) != here {
		t.Error("wrapped for nothing")
	}
}

// A read deadline holds on an impaired line, for bytes that have not come and for bytes that are under way, and costs none.
func TestReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := pair(spec(t, "latency=300ms"), 1)
		begin := time.Now()
		_ = c.SetReadDeadline(begin.Add(100 * time.Millisecond))
		buf := make([]byte, 8)
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 100*time.Millisecond {
			t.Errorf("nothing sent: %v after %s", err, time.Since(begin))
		}
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a deadline that has passed: %v", err)
		}
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		if _, err := peer.Write([]byte("late")); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("bytes under way: %v", err)
		}
		_ = c.SetReadDeadline(time.Time{})
		if n, err := c.Read(buf); err != nil || string(buf[:n]) != "late" || time.Since(begin) != 400*time.Millisecond {
			t.Errorf("%q, %v after %s", buf[:n], err, time.Since(begin))
		}
		_ = c.Close()
		_ = peer.Close()
	})
}

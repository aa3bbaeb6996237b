package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/benchpeers/null"
	"mqtt-ws-bridge/internal/benchpeers/peer"
	"mqtt-ws-bridge/internal/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// prepared brings the packages, or skips the test.
func prepared(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("processor time and memory of other processes are read on Linux only")
	}
	peer.Install(t)
}

func TestQuickRunWritesThePage(t *testing.T) {
	prepared(t)
	dir := t.TempDir()
	var stdout, stderr bytes.Buffer
	if status := run([]string{"-quick", "-only", "up-single", "-out", dir, "-record", filepath.Join(dir, "record")}, &stdout, &stderr); status != 0 {
		t.Fatalf("ended with %d\n%s", status, &stderr)
	}
	content, err := os.ReadFile(filepath.Join(dir, "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	row := ""
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| up, one frame per write: µs") {
			row = line
		}
	}
	if n := strings.Count(row, " | "); n != 9 || strings.Contains(row, "–") {
		t.Errorf("the row of the one load has %d columns, want 10, all with figures: %s", n+1, row)
	}
	for _, want := range []string{"-only=up-single -quick=true", "worth little", peer.HAProxy + "**: 2"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	var again bytes.Buffer
	if status := run([]string{"-from", filepath.Join(dir, "record")}, &again, &stderr); status != 0 || again.String() != page {
		t.Errorf("the page of the record is another, status %d:\n%s%s", status, &again, &stderr)
	}
	for _, not := range []string{"## TLS", "## How cost grows", "NaN", "<no value>"} {
		if strings.Contains(page, not) {
			t.Errorf("the page has %q:\n%s", not, page)
		}
	}
}

// TestLossIsSeen lets the devices publish to an upstream, and then compares with another that has seen nothing of it.
func TestLossIsSeen(t *testing.T) {
	prepared(t)
	b := &bench{t: t, sim: peer.Build(t, "mqtt-ws-bridge/firmware-sim"), ca: certs.New(t)}
	var upstreams [2]*null.Server
	for i := range upstreams {
		var err error
		if upstreams[i], err = null.Listen("127.0.0.1:0", true); err != nil {
			t.Fatal(err)
		}
		defer upstreams[i].Close()
	}
	l := load{name: "x", mode: "up", devices: 2, size: 10, duration: time.Second}
	s := &subject{name: "no proxy at all", ws: "ws://" + upstreams[0].Address + "/mqtt", pids: []int{os.Getpid()}, upstream: upstreams[0]}
	if got, err := b.measure(l, s); err != nil || got.Rate == 0 || got.CPU == 0 {
		t.Fatalf("without a loss: %+v, %v", got, err)
	}
	s.upstream = upstreams[1]
	if _, err := b.measure(l, s); !errors.As(err, new(lossError)) {
		t.Errorf("where all is lost: %v", err)
	}
}

func TestLost(t *testing.T) {
	up := load{mode: "up", devices: 2}
	down := load{mode: "down", devices: 2, messages: 5}
	for name, c := range map[string]struct {
		load               load
		result             simResult
		published, flooded int64
		lost               bool
	}{
		"up, all there":            {up, simResult{Connected: 2, Sent: 9}, 9, 0, false},
		"up, one not there":        {up, simResult{Connected: 2, Sent: 9}, 8, 0, true},
		"up, one twice":            {up, simResult{Connected: 2, Sent: 9}, 10, 0, true},
		"a device missing":         {up, simResult{Connected: 1, Sent: 9}, 9, 0, true},
		"an error":                 {up, simResult{Connected: 2, Sent: 9, Errors: []string{"x"}}, 9, 0, true},
		"the generator says so":    {up, simResult{Connected: 2, Sent: 9, Lost: 1}, 9, 0, true},
		"down, all there":          {down, simResult{Connected: 2, Received: 10}, 0, 10, false},
		"down, one not there":      {down, simResult{Connected: 2, Received: 9}, 0, 10, true},
		"down, too few flooded":    {down, simResult{Connected: 2, Received: 9}, 0, 9, true},
		"qos1, all there":          {load{mode: "qos1"}, simResult{Sent: 3, Acked: 3}, 3, 0, false},
		"qos1, one not answered":   {load{mode: "qos1"}, simResult{Sent: 3, Acked: 2}, 3, 0, true},
		"rtt, one not back":        {load{mode: "rtt"}, simResult{Sent: 3, Received: 2}, 3, 0, true},
		"broker, nothing to count": {load{mode: "up", broker: true}, simResult{Sent: 3}, 0, 0, false},
	} {
		if got := c.load.lost(&c.result, c.published, c.flooded); (got != "") != c.lost {
			t.Errorf("%s: lost %q, want a loss: %t", name, got, c.lost)
		}
	}
}

func TestVerdict(t *testing.T) {
	less, more := line{target: 1, limit: 2}, line{target: 1, limit: 0.8, more: true}
	for _, c := range []struct {
		line   line
		figure float64
		want   string
	}{
		{less, 1, "target met"}, {less, 1.5, "within limit"}, {less, 2.5, "**MISS** by 25 %"},
		{more, 1.2, "target met"}, {more, 0.8, "within limit"}, {more, 0.4, "**MISS** by 50 %"},
	} {
		if got := c.line.verdict(c.figure); got != c.want {
			t.Errorf("%v against %v and %v: %q, want %q", c.figure, c.line.target, c.line.limit, got, c.want)
		}
	}
}

func TestWrongUseIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-no-such-flag"}, {"word"}, {"-rounds", "0"}} {
		var out bytes.Buffer
		if status := run(args, &out, &out); status != 2 {
			t.Errorf("%q ended with %d, want 2", args, status)
		}
	}
}

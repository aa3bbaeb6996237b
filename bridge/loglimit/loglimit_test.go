package loglimit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var refused = Kind{Message: "device refused", Reason: "unknown-path"}

// newLimiter returns a limiter of 5 lines a second and what gives its lines so far.
func newLimiter(level slog.Level) (*Limiter, func(t *testing.T) []map[string]any) {
	var mu sync.Mutex
	buf := new(bytes.Buffer)
	l := New(slog.New(slog.NewJSONHandler(writer(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return buf.Write(p)
	}), &slog.HandlerOptions{Level: level})), 5)
	return l, func(t *testing.T) (lines []map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		for text := range strings.Lines(buf.String()) {
			line := make(map[string]any)
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
			lines = append(lines, line)
		}
		return lines
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func noAttrs() []slog.Attr { return nil }

// told adds up what the lines stand for.
func told(lines []map[string]any) (events int) {
	for _, line := range lines {
		if count, ok := line["count"].(float64); ok {
			events += int(count)
		} else if line["msg"] == refused.Message {
			events++
		}
	}
	return events
}

func run(t *testing.T, l *Limiter) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
}

// TestFlood: a flood writes a line each for the first, one when it begins and one when it ends, with an exact count.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLimiter(slog.LevelInfo)
		run(t, l)
		const n = 85_000 // of 10 s
		built := 0
		for i := range n {
			l.Log(slog.LevelInfo, refused, func() []slog.Attr { built++; return []slog.Attr{slog.Int("n", i)} })
			if i%8500 == 8499 {
				time.Sleep(time.Second)
			}
		}
		if got := lines(t); len(got) != 11 || got[10]["msg"] != refused.Message+suffixBegins || got[10]["n"] != 10.0 || got[10]["reason"] != refused.Reason {
			t.Errorf("%d lines, the last %v", len(got), got[len(got)-1])
		}
		if built != 11 {
			t.Errorf("attributes were made %d times", built)
		}
		time.Sleep(2*window + lookEach)
		got := lines(t)
		last := got[len(got)-1]
		if len(got) != 12 || last["msg"] != refused.Message+suffixEnds || told(got) != n || last["reason"] != refused.Reason {
			t.Errorf("%d lines for %d of %d events, the last %v", len(got), told(got), n, last)
		}
		l.Log(slog.LevelInfo, refused, noAttrs)
		if got := lines(t); got[len(got)-1]["msg"] != refused.Message {
			t.Errorf("after the flood: %v", got[len(got)-1])
		}
	})
}

// TestSinglesAreLogged: what comes at the rate or more rarely has a line each, for ever.
func TestSinglesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLimiter(slog.LevelInfo)
		run(t, l)
		for range 1000 {
			l.Log(slog.LevelInfo, refused, noAttrs)
			time.Sleep(time.Second / 5)
		}
		if got := lines(t); len(got) != 1000 || told(got) != 1000 {
			t.Errorf("%d lines for %d events", len(got), told(got))
		}
	})
}

// TestLongFlood: a flood of a day is spoken of each ten minutes, and its counts add up.
func TestLongFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLimiter(slog.LevelInfo)
		run(t, l)
		const n = 24 * 3600 * 6
		for range n {
			l.Log(slog.LevelInfo, refused, noAttrs)
			time.Sleep(time.Second / 6)
		}
		l.Flush()
		if got := lines(t); told(got) != n || len(got) > 24*6+10+5*12 {
			t.Errorf("%d lines for %d of %d events", len(got), told(got), n)
		}
	})
}

// TestKindsApart: the flood of one reason hides no event of another, and a kind that nobody has announced takes no memory.
func TestKindsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLimiter(slog.LevelInfo)
		for i := range 10_000 {
			l.Log(slog.LevelInfo, Kind{refused.Message, fmt.Sprint(i)}, noAttrs)
		}
		if len(l.kinds) > mostKinds+1 {
			t.Errorf("%d kinds are kept", len(l.kinds))
		}
		l, lines := newLimiter(slog.LevelInfo)
		for range 100 {
			l.Log(slog.LevelInfo, refused, noAttrs)
		}
		l.Log(slog.LevelWarn, Kind{refused.Message, "origin"}, noAttrs)
		l.Log(slog.LevelWarn, Kind{"session ended", refused.Reason}, noAttrs)
		got := lines(t)
		if len(got) != 13 || got[11]["reason"] != "origin" || got[12]["msg"] != "session ended" {
			t.Errorf("%d lines, the last %v", len(got), got[len(got)-2:])
		}
	})
}

// TestBelowTheLevel: what the log does not want is not counted, and no rate is no limit.
func TestBelowTheLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLimiter(slog.LevelWarn)
		for range 100 {
			l.Log(slog.LevelInfo, refused, noAttrs)
		}
		l.Flush()
		if got := lines(t); len(got) != 0 {
			t.Errorf("%d lines", len(got))
		}
		l.SetRate(0)
		for range 100 {
			l.Log(slog.LevelWarn, refused, noAttrs)
		}
		if got := lines(t); len(got) != 100 {
			t.Errorf("%d lines without a limit", len(got))
		}
	})
}

// TestRateTakenAway: a flood that no limit allows any more is over, and told.
func TestRateTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, lines := newLimiter(slog.LevelInfo)
		run(t, l)
		for range 100 {
			l.Log(slog.LevelInfo, refused, noAttrs)
		}
		l.SetRate(0)
		time.Sleep(window + lookEach)
		for range 100 {
			l.Log(slog.LevelInfo, refused, noAttrs)
		}
		if got := lines(t); told(got) != 200 || len(got) != 112 {
			t.Errorf("%d lines for %d events", len(got), told(got))
		}
	})
}

// TestManyAtOnce: counts are exact whoever logs while floods begin and end.
func TestManyAtOnce(t *testing.T) {
	l, lines := newLimiter(slog.LevelInfo)
	var all sync.WaitGroup
	const writers, each = 8, 500
	for range writers {
		all.Go(func() {
			for i := range each {
				l.Log(slog.LevelInfo, refused, noAttrs)
				if i%50 == 0 {
					l.Flush()
				}
			}
		})
	}
	all.Wait()
	l.Flush()
	if got := lines(t); told(got) != writers*each {
		t.Errorf("the lines tell of %d of %d events", told(got), writers*each)
	}
}

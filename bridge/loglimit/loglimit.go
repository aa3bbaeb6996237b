// Package loglimit bounds how many lines events of one kind write to the log, however often they come.
//
// Events that come one by one have a line each. When a kind comes too often, one line says that it is only counted from now on, with
// the facts of one event; one says how many there were when that is over, and one each ten minutes until then. Lines that events
// have of their own and the counts of those lines add up to all events.
package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Keys of the attributes that this package adds.
const (
	keyReason   = "reason"
	keyCount    = "count"
	keyDuration = "duration"
)

// What follows the message of a kind in lines that stand for many events.
const (
	suffixBegins = "; many more are counted, not logged"
	suffixLasts  = "; still too often to log each"
	suffixEnds   = "; logged one by one again"
)

const (
	burst     = 2                // seconds of unused rate that may accumulate
	lookEach  = time.Second      // how often Run looks whether a flood is over
	window    = 10 * time.Second // a flood is over after one with half of the rate at most
	tellEach  = 10 * time.Minute // while a flood lasts
	mostKinds = 256              // more share one; the callers' kinds are a closed set far below
)

// Kind is what events have in common. Both come from closed sets.
type Kind struct {
	Message string
	Reason  string // the attribute of that name; "" for none
}

func (k Kind) attrs() []slog.Attr {
	if k.Reason == "" {
		return nil
	}
	return []slog.Attr{slog.String(keyReason, k.Reason)}
}

// Limiter writes log lines. Safe for concurrent use.
type Limiter struct {
	log *slog.Logger

	mu    sync.Mutex // not held while a line is written
	rate  int
	kinds map[Kind]*flow
}

// flow is what is known of one kind. Guarded by the limiter's mu.
type flow struct {
	allowance float64 // lines that events may have now
	at        time.Time

	flood  bool
	level  slog.Level
	began  time.Time // this flood
	told   time.Time // when it was spoken of last
	since  time.Time // of the window
	recent int       // events in the window
	count  int       // events since it was spoken of last that have no line
}

// New returns a limiter that lets each kind write rate lines a second, and twice as many at once. 0: any number.
func New(log *slog.Logger, rate int) *Limiter {
	return &Limiter{log: log, rate: rate, kinds: make(map[Kind]*flow)}
}

// SetRate changes the rate from now on.
func (l *Limiter) SetRate(rate int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate = rate
}

// Log writes a line about an event, or counts it. attrs, beside the reason, is called only for a line.
func (l *Limiter) Log(level slog.Level, kind Kind, attrs func() []slog.Attr) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, level) {
		return
	}
	suffix, ok := l.take(kind, level, time.Now())
	if !ok {
		return
	}
	l.log.LogAttrs(ctx, level, kind.Message+suffix, append(kind.attrs(), attrs()...)...)
}

// take says whether an event gets a line, and what follows its message.
func (l *Limiter) take(kind Kind, level slog.Level, now time.Time) (suffix string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.kinds[kind]
	if l.rate <= 0 && (f == nil || !f.flood) {
		return "", true
	}
	if f == nil {
		if len(l.kinds) >= mostKinds {
			kind = Kind{}
		}
		if f = l.kinds[kind]; f == nil {
			f = &flow{allowance: float64(burst * l.rate), at: now}
			l.kinds[kind] = f
		}
	}
	if f.flood {
		f.recent++
		f.count++
		f.level = max(f.level, level)
		return "", false
	}
	f.allowance = min(f.allowance+now.Sub(f.at).Seconds()*float64(l.rate), float64(burst*l.rate))
	f.at = now
	if f.allowance >= 1 {
		f.allowance--
		return "", true
	}
	f.flood, f.level, f.began, f.told, f.since, f.recent, f.count = true, level, now, now, now, 1, 1
	return suffixBegins, true
}

// Run looks after floods until ctx ends.
func (l *Limiter) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			l.tell(time.Now(), false)
		}
	}
}

// Flush ends all floods now, so that what was counted is told.
func (l *Limiter) Flush() { l.tell(time.Now(), true) }

// line stands for many events.
type line struct {
	level    slog.Level
	kind     Kind
	suffix   string
	count    int
	duration time.Duration
}

func (l *Limiter) tell(now time.Time, all bool) {
	for _, s := range l.due(now, all) {
		l.log.LogAttrs(context.Background(), s.level, s.kind.Message+s.suffix, append(s.kind.attrs(),
			slog.Int(keyCount, s.count), slog.Duration(keyDuration, s.duration.Round(time.Millisecond)))...)
	}
}

// due returns the lines about floods that are over, or that were not spoken of for long.
func (l *Limiter) due(now time.Time, all bool) (lines []line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, f := range l.kinds {
		if !f.flood {
			continue
		}
		over, suffix := all, suffixEnds
		if now.Sub(f.since) >= window {
			over = over || float64(f.recent) <= window.Seconds()/2*float64(l.rate) || l.rate <= 0
			f.since, f.recent = now, 0
		}
		switch {
		case over:
			f.flood, f.allowance, f.at = false, float64(burst*l.rate), now
		case now.Sub(f.told) >= tellEach:
			suffix = suffixLasts
		default:
			continue
		}
		lines = append(lines, line{f.level, kind, suffix, f.count, now.Sub(f.began)})
		f.told, f.count = now, 0
	}
	return lines
}

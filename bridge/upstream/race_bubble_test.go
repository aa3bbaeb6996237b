package upstream

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// script is what an attempt does: after a time it connects, fails, or goes on until it is given up.
type script struct {
	after time.Duration
	err   error
	hangs bool
}

// runScripts runs a race in a bubble of its own. It reports who won after what time, those who had hung, how many were under way at
// once, and how many connections stayed open.
func runScripts(t *testing.T, timeout time.Duration, scripts ...script) (won int, took time.Duration, hung []int, most int, open int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var under, peak, conns atomic.Int64
		r := race{n: len(scripts), extra: make(chan struct{}, mostExtra), pause: func(int) time.Duration { return stagger },
			try: func(ctx context.Context, i int) (net.Conn, error) {
				defer under.Add(-1)
				if n := under.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				if scripts[i].hangs {
					<-ctx.Done()
					return nil, ctx.Err()
				}
				time.Sleep(scripts[i].after) // an attempt that connects although it was given up is closed
				if scripts[i].err != nil {
					return nil, scripts[i].err
				}
				conns.Add(1)
				return &counted{&conns}, nil
			}}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		began := time.Now()
		a, lost := r.run(ctx)
		took, won = time.Since(began), -1
		if a != nil {
			won = a.i
			a.nc.Close()
		}
		for _, l := range lost {
			if l.hung {
				hung = append(hung, l.i)
			}
		}
		most, open = int(peak.Load()), conns.Load()
		if len(r.extra) != 0 || under.Load() != 0 {
			t.Errorf("%d attempts go on, %d take room", under.Load(), len(r.extra))
		}
	})
	return won, took, hung, most, open
}

type counted struct{ open *atomic.Int64 }

func (c *counted) Close() error { c.open.Add(-1); return nil }

// The rest of a net.Conn is never called.
func (*counted) Read([]byte) (int, error)         { return 0, net.ErrClosed }
func (*counted) Write([]byte) (int, error)        { return 0, net.ErrClosed }
func (*counted) LocalAddr() net.Addr              { return nil }
func (*counted) RemoteAddr() net.Addr             { return nil }
func (*counted) SetDeadline(time.Time) error      { return nil }
func (*counted) SetReadDeadline(time.Time) error  { return nil }
func (*counted) SetWriteDeadline(time.Time) error { return nil }

func TestRace(t *testing.T) {
	const ms = time.Millisecond
	no := errors.New("no")
	hangs := script{hangs: true}
	for name, c := range map[string]struct {
		scripts []script
		won     int
		took    time.Duration
		hung    int
		most    int
	}{
		"the first connects":                   {[]script{{after: 10 * ms}, {}}, 0, 10 * ms, 0, 1},
		"the first fails":                      {[]script{{err: no, after: 10 * ms}, {after: 10 * ms}}, 1, 20 * ms, 0, 1},
		"the first hangs":                      {[]script{hangs, {after: 10 * ms}}, 1, stagger + 10*ms, 1, 2},
		"the first is slow and wins":           {[]script{{after: 300 * ms}, {after: 100 * ms}}, 0, 350 * ms, 0, 2}, // the other's end is waited for
		"two hang":                             {[]script{hangs, hangs, {after: 10 * ms}}, 2, 2*stagger + 10*ms, 2, 3},
		"all fail":                             {[]script{{err: no}, {err: no, after: 10 * ms}}, -1, 10 * ms, 0, 1},
		"all hang":                             {[]script{hangs, hangs}, -1, 10 * time.Second, 2, 2},
		"one hangs":                            {[]script{hangs}, -1, 10 * time.Second, 1, 1},
		"more hang than are tried at once":     {[]script{hangs, hangs, hangs, hangs, hangs, {}}, 5, 5*time.Second + 2*stagger, 5, 3},
		"a failure is followed up at once":     {[]script{hangs, {err: no}, {}}, 2, stagger, 1, 2},
		"both connect, the first a bit before": {[]script{{after: 260 * ms}, {after: 20 * ms}}, 0, 270 * ms, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			won, took, hung, most, open := runScripts(t, 10*time.Second, c.scripts...)
			if won != c.won || took != c.took || len(hung) != c.hung || most != c.most || open != 0 {
				t.Errorf("%d wins after %v, hung %v, %d at once, %d open; want %d after %v, %d hung, %d at once, none open",
					won, took, hung, most, open, c.won, c.took, c.hung, c.most)
			}
		})
	}
}

package upstream

import (
	"context"
	"net"
	"time"
)

// While an attempt to connect hangs, the next one begins, so that what hangs does not keep a device from what works. RFC 8305 does this
// for the addresses of one host; here it is done for brokers too.
const (
	stagger      = 250 * time.Millisecond // between two attempts of a race: RFC 8305 section 5
	mostAttempts = 3                      // of one race at a time
	mostExtra    = 32                     // attempts beyond the first of each race, in all races together: a descriptor each
)

// race is a number of attempts in order. The first that connects wins.
type race struct {
	n     int
	extra chan struct{}                                      // of mostExtra; shared by all races
	pause func(i int) time.Duration                          // after which the next attempt begins though attempt i is under way
	try   func(ctx context.Context, i int) (net.Conn, error) // ends soon after ctx does
}

// arrival is how an attempt ended.
type arrival struct {
	i       int
	nc      net.Conn // nil unless it won
	err     error
	took    time.Duration
	givenUp bool // it did not fail by itself
	hung    bool // it was given up after the next could have begun
}

// run returns the attempt that won, whose connection the caller owns, and those that failed or were given up. It returns when all
// are over; what they opened beside the winner is closed.
func (r *race) run(ctx context.Context) (won *arrival, lost []arrival) {
	if r.n == 1 {
		a := r.attempt(ctx, 0, false)
		if a.err != nil {
			return nil, []arrival{a}
		}
		return &a, nil
	}
	whole, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := remaining(ctx)
	if r.n > mostAttempts { // all have to fit
		limit = limit * mostAttempts / time.Duration(r.n)
	}
	arrivals := make(chan arrival, r.n) // of all: no attempt waits until it is heard
	next, under := 0, 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for won == nil && (next < r.n || under > 0) && ctx.Err() == nil {
		due := timer.C
		if next == r.n || under == mostAttempts {
			due = nil
		}
		select {
		case <-due:
			i, extra := next, under > 0
			next, under = next+1, under+1
			timer.Reset(r.pause(i))
			go func() {
				one, cancel := context.WithTimeout(whole, limit)
				defer cancel()
				arrivals <- r.attempt(one, i, extra)
			}()
		case a := <-arrivals:
			under--
			if a.err == nil {
				won = &a
				continue
			}
			lost = append(lost, a)
			timer.Reset(0)
		case <-ctx.Done():
		}
	}
	cancel()
	for ; under > 0; under-- {
		a := <-arrivals
		if a.nc != nil {
			a.nc.Close()
			continue
		}
		lost = append(lost, a)
	}
	return won, lost
}

// attempt makes attempt i. One beyond a race's first waits for room.
func (r *race) attempt(ctx context.Context, i int, extra bool) arrival {
	if extra {
		select {
		case r.extra <- struct{}{}:
			defer func() { <-r.extra }()
		case <-ctx.Done():
			return arrival{i: i, err: ctx.Err(), givenUp: true}
		}
	}
	began := time.Now()
	nc, err := r.try(ctx, i)
	a := arrival{i: i, nc: nc, err: err, took: time.Since(began), givenUp: err != nil && ctx.Err() != nil}
	a.hung = a.givenUp && a.took >= r.pause(i)
	return a
}

// remaining is how long ctx goes on.
func remaining(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return time.Minute
}

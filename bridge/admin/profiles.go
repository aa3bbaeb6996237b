package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strconv"
	"sync"
	"time"
)

const (
	profilesPath = "/debug/pprof/"
	maxProfile   = 60 * time.Second
)

// addProfiles serves the profiles of net/http/pprof, for a bounded time each.
func addProfiles(mux *http.ServeMux) {
	add := func(path string, h http.Handler) { mux.Handle(profilesPath+path, bounded(h)) }
	add("", http.HandlerFunc(pprof.Index))
	add("cmdline", http.HandlerFunc(pprof.Cmdline))
	add("profile", &latest{next: pprof.Profile})
	add("symbol", http.HandlerFunc(pprof.Symbol))
	add("trace", &latest{next: pprof.Trace})
}

// bounded refuses what would take too long.
func bounded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if text := r.FormValue("seconds"); text != "" {
			seconds, err := strconv.ParseFloat(text, 64)
			if err != nil || !(seconds > 0 && seconds <= maxProfile.Seconds()) {
				answer(w, http.StatusBadRequest, fmt.Sprintf("seconds must be above 0 and at most %v", maxProfile.Seconds()))
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

// latest serves one request at a time, of which Go's runtime allows no more. A request ends the one before it: somebody who is at a screen
// now does not have to wait for one who may have left.
type latest struct {
	next http.HandlerFunc

	mu   sync.Mutex
	end  context.CancelFunc // of the request that is served or waits; guarded by mu
	done chan struct{}      // closed when it is; guarded by mu
}

// ServeHTTP serves a request when the one before it has ended.
func (l *latest) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	l.mu.Lock()
	before, endBefore := l.done, l.end
	l.end, l.done = cancel, done
	l.mu.Unlock()
	if before != nil {
		endBefore()
		<-before // which its cancelled context ends at once
	}
	if ctx.Err() != nil {
		answer(w, http.StatusServiceUnavailable, "another request came after this one")
		return
	}
	l.next(w, r.WithContext(ctx))
}

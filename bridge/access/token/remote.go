package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"mqtt-ws-bridge/bridge/access/httpclient"
)

const (
	fetchTimeout = 5 * time.Second
	// fetchPause is the least time between two fetches, so that tokens with made-up key identifiers cannot cause many.
	fetchPause = 15 * time.Second
	// keysLast is how long keys are good that could not be fetched again. One that was withdrawn is not to live for ever.
	keysLast = 24 * time.Hour
	// complainAgain is how often the log repeats that keys cannot be fetched.
	complainAgain = 10 * time.Minute
)

// ErrNoKeys says that no keys could be fetched yet, or none for a day. Tokens cannot be checked then.
var ErrNoKeys = errors.New("the keys for tokens cannot be fetched")

// Remote has the keys of a JSON Web Key Set at a URL. Safe for concurrent use.
type Remote struct {
	// Set once.
	url      string
	interval time.Duration
	client   *httpclient.Client
	log      *slog.Logger
	fetching chan struct{} // held by who fetches; the buffer of 1 is the lock itself, which can be waited for with a context

	mu      sync.Mutex
	keys    []Key     // guarded by mu; replaced, never changed
	fetched time.Time // when keys came; guarded by mu
	tried   time.Time // when the last fetch began; guarded by mu
	fault   string    // why the last fetch failed, "": it did not; guarded by mu
	said    time.Time // when that was logged; guarded by mu
}

// NewRemote returns the keys at a URL, which are fetched every interval while Run runs. transport may be nil; redirects are not
// followed in any case.
func NewRemote(url string, interval time.Duration, transport http.RoundTripper, log *slog.Logger) *Remote {
	client := httpclient.New(httpclient.Options{Timeout: fetchTimeout, Connections: 1, Body: maxKeyFile, Transport: transport})
	return &Remote{url: url, interval: interval, client: client, log: log, fetching: make(chan struct{}, 1)}
}

// Run fetches the keys now and every interval until ctx ends, and sooner while there are none: nobody is let in meanwhile.
func (r *Remote) Run(ctx context.Context) {
	for {
		r.Fetch(ctx)
		next := r.interval
		if r.Ready() != nil {
			next = min(next, fetchPause)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Close closes the connections that are not in use.
func (r *Remote) Close() { r.client.Close() }

// Ready returns nil if there are keys to check tokens with, or why not. It does not wait.
func (r *Remote) Ready() error {
	if r.current() == nil {
		return ErrNoKeys
	}
	return nil
}

// Fetch fetches the keys now. If that fails, which is logged, the old ones stay.
func (r *Remote) Fetch(ctx context.Context) { r.refresh(ctx, ctx, 0) }

// Keys returns the keys. If none has that identifier they are fetched again, at most every 15 seconds.
func (r *Remote) Keys(ctx context.Context, id string) ([]Key, error) {
	keys := r.current()
	if keys == nil || id != "" && !slices.ContainsFunc(keys, func(k Key) bool { return k.id == "" || k.id == id }) {
		r.refresh(ctx, context.WithoutCancel(ctx), fetchPause) // others wait for what this one began
		keys = r.current()
	}
	if keys == nil {
		return nil, ErrNoKeys
	}
	return keys, nil
}

// current returns the keys that are known and not too old.
func (r *Remote) current() []Key {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.fetched) > keysLast {
		return nil
	}
	return r.keys
}

// refresh fetches the keys unless that was tried less than pause ago, and waits until wait ends for others who do. What
// cannot be fetched leaves the old keys.
func (r *Remote) refresh(wait, ctx context.Context, pause time.Duration) {
	select {
	case r.fetching <- struct{}{}:
		defer func() { <-r.fetching }()
	case <-wait.Done():
		return
	}
	r.mu.Lock()
	recent := pause > 0 && !r.tried.IsZero() && time.Since(r.tried) < pause
	if !recent {
		r.tried = time.Now()
	}
	r.mu.Unlock()
	if recent {
		return
	}
	keys, err := r.fetch(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.complain(err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys, r.fetched = keys, time.Now()
	if r.fault != "" {
		r.log.Info("the keys for tokens are fetched again")
		r.fault = ""
	}
}

// complain logs why keys cannot be fetched: at once, and again when the reason changes or after a while.
func (r *Remote) complain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fault == err.Error() && time.Since(r.said) < complainAgain {
		return
	}
	r.fault, r.said = err.Error(), time.Now()
	r.log.Warn("the keys for tokens cannot be fetched", "error", r.fault)
}

// Check fetches the keys and keeps nothing of them.
func (r *Remote) Check(ctx context.Context) error {
	_, err := r.fetch(ctx)
	return err
}

func (r *Remote) fetch(ctx context.Context) ([]Key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	status, text, err := r.client.Get(ctx, r.url)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, fmt.Errorf("status %d", status)
	}
	return ParseSet(text)
}

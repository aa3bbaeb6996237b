package token_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/bridge/access/token"
)

// issuer is the end of an issuer of tokens, without a network.
type issuer struct {
	mu     sync.Mutex
	status int
	body   []byte
	err    error
	asked  atomic.Int32
}

func (i *issuer) RoundTrip(*http.Request) (*http.Response, error) {
	i.asked.Add(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return nil, i.err
	}
	return &http.Response{StatusCode: i.status, Header: http.Header{"Location": {"/elsewhere"}}, Body: io.NopCloser(strings.NewReader(string(i.body)))}, nil
}

func (i *issuer) set(status int, body []byte, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.status, i.body, i.err = status, body, err
}

func remote(i *issuer, log *slog.Logger) *token.Remote {
	return token.NewRemote("https://user:CANARY@issuer.test/keys?x=CANARY", time.Hour, i, log)
}

var silent = slog.New(slog.DiscardHandler)

func TestRemoteRotates(t *testing.T) {
	k := keys()
	old := keySet(t, jwk(t, &k.ec.PublicKey, "1"))
	both := keySet(t, jwk(t, &k.ec.PublicKey, "1"), jwk(t, &k.other.PublicKey, "2"))
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{status: 200, body: old}
		r := remote(i, silent)
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { r.Run(ctx) })
		synctest.Wait()
		v := verifier(t, r)
		one := func() error {
			_, err := v.Verify(ctx, sign(t, jwt.SigningMethodES256, k.ec, good(), map[string]any{"kid": "1"}))
			return err
		}
		two := func() error {
			_, err := v.Verify(ctx, sign(t, jwt.SigningMethodES256, k.other, good(), map[string]any{"kid": "2"}))
			return err
		}
		if err := one(); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second)
		i.set(200, both, nil)
		if err := two(); err != nil { // the token itself has the new keys fetched
			t.Error(err)
		}
		if n := i.asked.Load(); n != 2 {
			t.Errorf("fetched %d times, want 2", n)
		}
		i.set(200, keySet(t, jwk(t, &k.other.PublicKey, "2")), nil)
		time.Sleep(time.Hour)
		if err := one(); !errors.Is(err, token.ErrKey) {
			t.Errorf("a key that was withdrawn: %v", err)
		}
		cancel()
		done.Wait()
	})
}

// Strangers that make up key identifiers do not make the bridge ask each time.
func TestRemoteIsNotAskedTooOften(t *testing.T) {
	k := keys()
	set := keySet(t, jwk(t, &k.ec.PublicKey, "1"))
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{status: 200, body: set}
		r := remote(i, silent)
		var done sync.WaitGroup
		for range 50 {
			done.Go(func() {
				if _, err := r.Keys(t.Context(), "made up"); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if n := i.asked.Load(); n != 1 {
			t.Errorf("fetched %d times, want 1", n)
		}
		time.Sleep(16 * time.Second)
		_, _ = r.Keys(t.Context(), "made up")
		if n := i.asked.Load(); n != 2 {
			t.Errorf("fetched %d times, want 2", n)
		}
	})
}

func TestRemoteKeepsTheOldKeys(t *testing.T) {
	k := keys()
	set := keySet(t, jwk(t, &k.ec.PublicKey, "1"))
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{status: 503}
		var log strings.Builder
		r := remote(i, slog.New(slog.NewTextHandler(&log, nil)))
		ask := func() error { _, err := r.Keys(t.Context(), "1"); return err }
		if err := ask(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("before there were any: %v", err)
		}
		time.Sleep(16 * time.Second)
		i.set(200, set, nil)
		if err := ask(); err != nil {
			t.Error(err)
		}
		for _, bad := range []struct {
			status int
			body   string
			err    error
		}{{500, "", nil}, {302, string(set), nil}, {200, "{}", nil}, {200, strings.Repeat("x", 1<<20+1), nil}, {0, "", errors.New("no route")}} {
			i.set(bad.status, []byte(bad.body), bad.err)
			time.Sleep(16 * time.Second)
			if _, err := r.Keys(t.Context(), "new"); err != nil { // has it fetch
				t.Errorf("%+v: %v", bad, err)
			}
		}
		if n := i.asked.Load(); n != 7 {
			t.Errorf("fetched %d times, want 7", n)
		}
		time.Sleep(25 * time.Hour)
		if err := ask(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("after a day: %v", err)
		}
		if strings.Contains(log.String(), "CANARY") || !strings.Contains(log.String(), "no route") {
			t.Errorf("log: %s", log.String())
		}
	})
}

// TestRemoteComesBack: as long as there are no keys, nobody is let in, so they are fetched more often than every interval; the log says so
// now and then.
func TestRemoteComesBack(t *testing.T) {
	k := keys()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{status: 503}
		var log strings.Builder
		r := remote(i, slog.New(slog.NewTextHandler(&log, nil)))
		ctx, cancel := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { r.Run(ctx) })
		time.Sleep(25 * time.Minute)
		if err := r.Ready(); !errors.Is(err, token.ErrNoKeys) {
			t.Errorf("without keys: %v", err)
		}
		i.set(200, keySet(t, jwk(t, &k.ec.PublicKey, "1")), nil)
		time.Sleep(16 * time.Second)
		if err := r.Ready(); err != nil {
			t.Errorf("16 s after the service came back: %v", err)
		}
		asked := i.asked.Load()
		time.Sleep(30 * time.Minute)
		cancel()
		done.Wait()
		if n := i.asked.Load(); n != asked {
			t.Errorf("with keys they were fetched %d times in half an hour, want none", n-asked)
		}
		if n := strings.Count(log.String(), "cannot be fetched"); n != 3 || !strings.Contains(log.String(), "fetched again") {
			t.Errorf("%d complaints in 25 minutes, want 3:\n%s", n, log.String())
		}
	})
}

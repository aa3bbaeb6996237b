package callback_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/access/callback"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is the operator's, without a network.
type service func(*http.Request) (*http.Response, error)

func (s service) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func answer(status int, body string) service {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Location": {"/"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func ask(t testing.TB, s service) (callback.Answer, error) {
	t.Helper()
	return start(t, s, 0, 0).Ask(t.Context(), "a", callback.Question{})
}

func start(t testing.TB, s service, allowed, denied time.Duration) *callback.Service {
	t.Helper()
	c, err := callback.New(callback.Options{
		URL: "http://auth.test/check?key=CANARY", Method: http.MethodGet, Timeout: time.Second,
		RememberAllowed: allowed, RememberDenied: denied, Transport: s,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswers(t *testing.T) {
	for _, body := range []string{"", " \n", "{}", `{"unknown": 1}`} {
		if a, err := ask(t, answer(204, body)); err != nil || !a.Allowed || a.Subject != "" || !a.Expires.IsZero() {
			t.Errorf("%q: %+v, %v", body, a, err)
		}
	}
	a, err := ask(t, answer(200, `{"subject":"dev-1","claims":{"tenant":"acme"},"expires_in":60}`))
	if err != nil || !a.Allowed || a.Subject != "dev-1" || a.Claims["tenant"] != "acme" || time.Until(a.Expires) > time.Minute || time.Until(a.Expires) < 50*time.Second {
		t.Errorf("%+v, %v", a, err)
	}
	for _, status := range []int{401, 403} {
		if a, err := ask(t, answer(status, `{"subject":"dev-1"}`)); err != nil || a.Allowed || a.Subject != "" || a.Forbidden != (status == 403) {
			t.Errorf("%d: %+v, %v", status, a, err)
		}
	}
}

// What is not a clear answer lets nobody in.
func TestFailsClosed(t *testing.T) {
	for name, s := range map[string]service{
		"redirect": answer(302, ""), "not found": answer(404, ""), "fault": answer(500, ""), "busy": answer(429, ""), "odd": answer(100, ""),
		"no JSON": answer(200, "welcome"), "a list": answer(200, "[]"), "cut JSON": answer(200, `{"subject":"a`),
		"claims are no text": answer(200, `{"claims":{"a":1}}`), "expired": answer(200, `{"expires_in":0}`), "expires in the past": answer(200, `{"expires_in":-5}`),
		"expires in ages": answer(200, `{"expires_in":9223372036854775807}`),
		"large":           answer(200, `{"subject":"`+strings.Repeat("x", 70000)+`"}`),
		"long subject":    answer(200, `{"subject":"`+strings.Repeat("x", 1025)+`"}`),
		"long claim":      answer(200, `{"claims":{"a":"`+strings.Repeat("x", 1025)+`"}}`),
		"no service":      func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
	} {
		a, err := ask(t, s)
		if a.Allowed || !errors.Is(err, callback.ErrUnavailable) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

func TestSilenceIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, time.Minute, time.Minute)
		began := time.Now()
		if a, err := s.Ask(t.Context(), "a", callback.Question{}); a.Allowed || !errors.Is(err, callback.ErrUnavailable) {
			t.Errorf("%+v, %v", a, err)
		}
		if d := time.Since(began); d != time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestWhatTheServiceGets(t *testing.T) {
	var got *http.Request
	s := start(t, func(r *http.Request) (*http.Response, error) {
		got = r
		return answer(200, "")(r)
	}, 0, 0)
	full := callback.Question{Authorization: "Bearer x", Cookie: "a=b", Origin: "https://a", Subprotocols: "mqtt, bearer.z", URI: "/mqtt?token=y", UserAgent: "esp32", Address: "192.0.2.7"}
	if _, err := s.Ask(t.Context(), "a", full); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "Origin": {"https://a"}, "Sec-Websocket-Protocol": {"mqtt, bearer.z"},
		"X-Original-Uri": {"/mqtt?token=y"}, "User-Agent": {"esp32"}, "X-Device-Address": {"192.0.2.7"},
	}
	if !reflect.DeepEqual(got.Header, want) || got.ContentLength != 0 {
		t.Errorf("%v, want %v", got.Header, want)
	}
	if got.URL.String() != "http://auth.test/check?key=CANARY" || got.Method != "GET" {
		t.Errorf("%s %s", got.Method, got.URL)
	}
	if _, err := s.Ask(t.Context(), "a", callback.Question{}); err != nil || len(got.Header) != 1 || got.Header["User-Agent"] != nil {
		t.Errorf("of nothing: %v, %v", got.Header, err)
	}
}

// TestConnectionsAreKept, whatever the answer: those of a fleet that comes back would use up the ports of the machine.
func TestConnectionsAreKept(t *testing.T) {
	var opened atomic.Int32
	statuses := []int{200, 401, 403, 500, 302, 204}
	n := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(statuses[n%len(statuses)])
		if n++; n%len(statuses) != 0 {
			_, _ = io.WriteString(w, strings.Repeat(" ", 3000))
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	s, err := callback.New(callback.Options{URL: server.URL, Method: http.MethodPost, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * len(statuses) {
		_, _ = s.Ask(t.Context(), "a", callback.Question{})
	}
	// net/http opens another one where its own goroutine takes more than 50 ms for what it does after a request.
	if got := opened.Load(); int(got) >= len(statuses) || n != 3*len(statuses) {
		t.Errorf("%d connections for %d questions", got, n)
	}
}

// TestBodyWithoutEnd: the timeout is for the whole answer, and the question has no body of its own.
// TestSwitchingProtocols: an answer of 101, whose body is the connection itself and has no end, is no answer. The handshake hears so at once.
func TestSwitchingProtocols(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		<-over
	}))
	defer server.Close()
	defer close(over)
	s, err := callback.New(callback.Options{URL: server.URL, Method: http.MethodGet, Timeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Ask(t.Context(), "a", callback.Question{})
	if a.Allowed || !errors.Is(err, callback.ErrUnavailable) || !strings.Contains(err.Error(), "101") {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestBodyWithoutEnd(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.ContentLength != 0 {
			t.Errorf("asked with %s and %d bytes", r.Method, r.ContentLength)
		}
		_, _ = io.WriteString(w, `{"subject":`)
		_ = http.NewResponseController(w).Flush()
		<-over
	}))
	defer server.Close()
	defer close(over)
	s, err := callback.New(callback.Options{URL: server.URL, Method: http.MethodPost, Timeout: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Ask(t.Context(), "a", callback.Question{}); a.Allowed || !errors.Is(err, callback.ErrUnavailable) {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestQuestionsAreBounded: while the service does not answer, no more than 256 are under way, and who waits longer than the
// timeout is refused.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most, busy atomic.Int32
		s := start(t, func(r *http.Request) (*http.Response, error) {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, 0, 0)
		var done sync.WaitGroup
		began := time.Now()
		for range 2000 {
			done.Go(func() {
				a, err := s.Ask(t.Context(), "a", callback.Question{})
				if errors.Is(err, callback.ErrBusy) {
					busy.Add(1)
				} else if a.Allowed || !errors.Is(err, callback.ErrUnavailable) {
					t.Errorf("%+v, %v", a, err)
				}
			})
		}
		done.Wait()
		if most.Load() > 256 || busy.Load() < 2000-256-1024 || time.Since(began) > 3*time.Second {
			t.Errorf("%d at a time, %d sent away, all in %v", most.Load(), busy.Load(), time.Since(began))
		}
	})
}

// TestQuestionsAreFair: a question from elsewhere is asked next, though a thousand of one group came before it.
func TestQuestionsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []string
		answers := make(chan struct{})
		s := start(t, func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			asked = append(asked, r.Header.Get("X-Device-Address"))
			mu.Unlock()
			<-answers
			return answer(401, "")(r)
		}, 0, 0)
		var done sync.WaitGroup
		ask := func(group string) {
			done.Go(func() { _, _ = s.Ask(t.Context(), group, callback.Question{Address: group}) })
		}
		for range 1000 {
			ask("flood")
		}
		synctest.Wait()
		ask("honest")
		synctest.Wait()
		for range 2 {
			answers <- struct{}{}
			synctest.Wait()
		}
		mu.Lock()
		next := asked[256:]
		mu.Unlock()
		close(answers)
		done.Wait()
		if !slices.Contains(next, "honest") {
			t.Errorf("after the 256 that were under way came %q", next)
		}
	})
}

// TestReady: a service that leaves questions unanswered is away until it answers, or until nobody has asked for a while.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := 500
		s := start(t, func(r *http.Request) (*http.Response, error) { return answer(status, "")(r) }, 0, 0)
		ask := func(code int) { status = code; _, _ = s.Ask(t.Context(), "a", callback.Question{}) }
		expect := func(what string, ready bool) {
			t.Helper()
			if err := s.Ready(); (err == nil) != ready {
				t.Errorf("%s: %v", what, err)
			}
		}
		expect("before", true)
		for range 2 {
			ask(500)
		}
		expect("two faults", true)
		ask(403)
		ask(500)
		expect("an answer between", true)
		ask(500)
		ask(302)
		expect("three faults", false)
		ask(401)
		expect("an answer", true)
		for range 3 {
			ask(500)
		}
		time.Sleep(20 * time.Second)
		expect("nobody has asked for a while", true)
		ask(500)
		expect("the next fault", false)
	})
}

// TestWhoLeavesIsAskedAboutAllTheSame: the question of a device that leaves counts as under way until the service answers.
func TestWhoLeavesIsAskedAboutAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(500 * time.Millisecond):
				return answer(401, "")(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}, 0, 0)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		began := time.Now()
		a, err := s.Ask(ctx, "a", callback.Question{})
		if a.Allowed || err != nil || time.Since(began) != 500*time.Millisecond {
			t.Errorf("%+v, %v after %v", a, err, time.Since(began))
		}
	})
}

func TestRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		status, body := 200, ""
		s := start(t, func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			return answer(status, body)(r)
		}, 10*time.Second, 2*time.Second)
		expect := func(what string, q callback.Question, allowed bool, times int32) {
			t.Helper()
			if a, err := s.Ask(t.Context(), "a", q); err != nil || a.Allowed != allowed || asked.Load() != times {
				t.Errorf("%s: %+v, %v, asked %d times, want %d", what, a, err, asked.Load(), times)
			}
		}
		one := callback.Question{Authorization: "1"}
		expect("first", one, true, 1)
		status = 401
		expect("again", one, true, 1)
		expect("another device", callback.Question{Authorization: "1", Address: "x"}, false, 2)
		expect("fields are kept apart", callback.Question{Authorization: "", Cookie: "1"}, false, 3)
		time.Sleep(11 * time.Second)
		expect("later", one, false, 4)
		time.Sleep(time.Second)
		expect("denied again", one, false, 4)
		time.Sleep(2 * time.Second)
		status, body = 200, `{"expires_in":3}`
		expect("let in", one, true, 5)
		time.Sleep(4 * time.Second)
		expect("no longer than it is good for", one, true, 6)
		status = 500
		time.Sleep(11 * time.Second)
		for range 2 {
			if _, err := s.Ask(t.Context(), "a", one); err == nil {
				t.Error("a fault is an answer")
			}
		}
		if asked.Load() != 8 {
			t.Errorf("a fault is remembered: asked %d times", asked.Load())
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	s := start(t, answer(200, ""), time.Hour, time.Hour)
	for i := range 20000 {
		if _, err := s.Ask(t.Context(), "a", callback.Question{Address: strings.Repeat("x", i%7) + string(rune(i))}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Remembered(); n == 0 || n > 8<<10 {
		t.Errorf("%d answers are remembered", n)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, opts := range []callback.Options{
		{URL: "", Method: "GET"}, {URL: "ftp://a", Method: "GET"}, {URL: "http://", Method: "GET"}, {URL: "http://a", Method: "PUT"}, {URL: "http://a"},
		{URL: "http://CANARY\x7f", Method: "GET"}, {URL: "http://user:CANARY@a", Method: "GET"},
	} {
		if _, err := callback.New(opts); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%+v: %v", opts, err)
		}
	}
}

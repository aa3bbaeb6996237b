package access_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/bridge/access/callback"
	"mqtt-ws-bridge/bridge/access/passwords"
	"mqtt-ws-bridge/bridge/access/token"
	"mqtt-ws-bridge/bridge/reason"
)

const secret = "CANARY-secret-of-thirty-two-bytes-or-more"

func users(t testing.TB) *passwords.Users {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte("CANARY-pw"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	u, err := passwords.Parse([]byte("dev-1:"+string(h)), passwords.NewQueue())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func verifier(t testing.TB) *token.Verifier {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := token.LoadKey(path, "", "HS256")
	if err != nil {
		t.Fatal(err)
	}
	v, err := token.New(token.Options{Keys: token.Fixed{key}, Issuer: "i", Audience: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tokenFor(t testing.TB, subject string) string {
	t.Helper()
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "i", "aud": "mqtt", "sub": subject, "exp": time.Now().Add(time.Hour).Unix(), "tenant": "acme",
	}).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func gate(t testing.TB, sources ...access.Source) *access.Gate {
	t.Helper()
	g, err := access.NewGate(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// handshake makes a request with lines of headers.
func handshake(target string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return "Authorization: " + r.Header.Get("Authorization")
}

func TestSources(t *testing.T) {
	v := verifier(t)
	cookie, err := access.InCookie("session", []string{"https://good.example", "null"})
	if err != nil {
		t.Fatal(err)
	}
	g := gate(t, access.Basic{Users: users(t)}, access.Token{Verifier: v, Find: access.InBearer}, access.Token{Verifier: v, Find: cookie},
		access.Token{Verifier: v, Find: access.InQuery("token")}, access.Token{Verifier: v, Find: access.InSubprotocol("bearer.")})
	raw := tokenFor(t, "dev-1")
	for i, tt := range []struct {
		r    *http.Request
		want string // source and subject, or what the log hears
	}{
		{handshake("/mqtt", basic("dev-1", "CANARY-pw")), "basic dev-1"},
		{handshake("/mqtt", "Authorization: bEaReR "+raw), "token dev-1"},
		{handshake("/mqtt?token=" + raw), "token dev-1"},
		{handshake("/mqtt", "Sec-WebSocket-Protocol: mqtt, bearer."+raw), "token dev-1"},
		{handshake("/mqtt", "Sec-WebSocket-Protocol: mqtt", "Sec-WebSocket-Protocol: bearer."+raw), "token dev-1"},
		{handshake("/mqtt", "Cookie: session="+raw, "Origin: https://good.example"), "token dev-1"},
		{handshake("/mqtt"), "no proof of identity in the handshake"},
		{handshake("/mqtt", "Authorization: Digest x"), "no proof of identity in the handshake"},
		{handshake("/mqtt", basic("dev-1", "CANARY")), "wrong user name or password"},
		{handshake("/mqtt", basic("CANARY", "CANARY-pw")), "wrong user name or password"},
		{handshake("/mqtt", "Authorization: Basic CANARY"), "wrong user name or password"},
		{handshake("/mqtt", "Authorization: Bearer CANARY"), "malformed token"},
		{handshake("/mqtt?token="+raw, "Authorization: Bearer CANARY"), "malformed token"},
		{handshake("/mqtt?token="+raw, basic("dev-1", "CANARY")), "wrong user name or password"},
		{handshake("/mqtt", "Authorization: Bearer "+raw, "Authorization: Bearer "+raw), "more than one"},
		{handshake("/mqtt?token=" + raw + "&token=" + raw), "more than one"},
		{handshake("/mqtt?token=" + raw + "&%zz=CANARY"), "more than one"},
		{handshake("/mqtt", "Sec-WebSocket-Protocol: bearer."+raw+",bearer."+raw), "more than one"},
		{handshake("/mqtt", "Sec-WebSocket-Protocol: mqtt,bearer."), "no proof of identity in the handshake"},
		// Attack 34: a cookie that a browser sends for somebody else's page.
		{handshake("/mqtt", "Cookie: session="+raw), "a cookie proves nothing"},
		{handshake("/mqtt", "Cookie: session="+raw, "Origin: https://evil.example"), "a cookie proves nothing"},
		{handshake("/mqtt", "Cookie: session="+raw, "Origin: file://"), "a cookie proves nothing"},
		{handshake("/mqtt", "Cookie: session="+raw, "Origin: null"), "a cookie proves nothing"},
		{handshake("/mqtt", "Cookie: session="+raw, "Origin: https://good.example", "Origin: https://evil.example"), "a cookie proves nothing"},
		{handshake("/mqtt", "Cookie: session="+raw+"; session="+raw, "Origin: https://good.example"), "more than one"},
	} {
		id, verdict, err := g.Admit(tt.r, fmt.Sprintf("192.0.2.%d", i))
		got := fmt.Sprint(id)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "CANARY") || (err == nil) != (verdict == nil) || err != nil && verdict != reason.Unauthorized {
			t.Errorf("%v: %s, verdict %v, want %s", i, got, verdict, tt.want)
		}
		if id != nil && (id.Address != fmt.Sprintf("192.0.2.%d", i) || id.Source == "token" && (id.Claims["tenant"] != "acme" || id.Token != raw || id.Expires.IsZero())) {
			t.Errorf("%d: %+v %q %v", i, id, id.Address, id.Expires)
		}
	}
	if _, err := access.InCookie("session", nil); err == nil {
		t.Error("cookies without origins")
	}
	if _, err := access.NewGate(); err == nil {
		t.Error("a gate without sources")
	}
}

func TestCertificates(t *testing.T) {
	link := &url.URL{Scheme: "spiffe", Host: "a", Path: "/dev-1"}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(0xAB), Subject: pkix.Name{CommonName: "cn-1"}, DNSNames: []string{"dns-1"}, EmailAddresses: []string{"a@x", "b@x"},
		URIs: []*url.URL{link}, NotAfter: time.Unix(5e9, 0),
	}
	verified := handshake("/mqtt")
	verified.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}, VerifiedChains: [][]*x509.Certificate{{cert}}}
	for kind, want := range map[string]string{"cn": "cn-1", "dns": "dns-1", "uri": "spiffe://a/dev-1", "email": "", "": ""} {
		id, verdict, _ := gate(t, access.Certificate{Name: kind}).Admit(verified, "192.0.2.1")
		if want == "" {
			if verdict != reason.Unauthorized {
				t.Errorf("%q: %v, verdict %v", kind, id, verdict)
			}
			continue
		}
		if id == nil || id.Subject != want || id.Claims["serial"] != "ab" || !id.Expires.Equal(cert.NotAfter) {
			t.Errorf("%q: %+v", kind, id)
		}
	}
	unverified := handshake("/mqtt")
	unverified.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
	for name, r := range map[string]*http.Request{"not verified": unverified, "no TLS": handshake("/mqtt")} {
		if id, verdict, _ := gate(t, access.Certificate{Name: "cn"}).Admit(r, "192.0.2.1"); verdict != reason.Unauthorized {
			t.Errorf("%s: %v", name, id)
		}
	}
}

type service func(*http.Request) (*http.Response, error)

func (s service) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func TestCallback(t *testing.T) {
	status, body := 200, `{"subject":"dev-1","claims":{"tenant":"acme"}}`
	s, err := callback.New(callback.Options{URL: "http://auth.test", Method: "GET", Timeout: time.Second,
		Transport: service(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body))}, nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	g := gate(t, access.Callback{Service: s})
	if id, verdict, err := g.Admit(handshake("/mqtt"), "192.0.2.1"); verdict != nil || id.Subject != "dev-1" || id.Claims["tenant"] != "acme" {
		t.Errorf("%v, %v, %v", id, verdict, err)
	}
	for code, want := range map[int]*reason.Reason{401: reason.Unauthorized, 403: reason.Forbidden, 500: reason.AuthUnavailable, 302: reason.AuthUnavailable} {
		status = code
		if id, verdict, err := g.Admit(handshake("/mqtt"), "192.0.2.1"); verdict != want || id != nil {
			t.Errorf("%v: %v, verdict %v, %v", code, id, verdict, err)
		}
	}
}

// TestAttack34_callback: the service hears nothing of the cookies that a browser sends for somebody else's page.
func TestAttack34_callback(t *testing.T) {
	var heard http.Header
	s, err := callback.New(callback.Options{URL: "http://auth.test", Method: "GET", Timeout: time.Second,
		Transport: service(func(r *http.Request) (*http.Response, error) {
			heard = r.Header
			return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
		})})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		origins []string // that the operator named
		sent    []string
		want    string
	}{
		{nil, nil, "a=1; b=2"},
		{nil, []string{"https://evil.example"}, ""},
		{[]string{"https://good.example", "null"}, []string{"https://GOOD.example"}, "a=1; b=2"},
		{[]string{"https://good.example", "null"}, []string{"null"}, ""},
		{[]string{"https://good.example", "null"}, []string{"file://"}, ""},
		{[]string{"https://good.example", "null"}, []string{"https://good.example", "https://evil.example"}, ""},
	} {
		r := handshake("/mqtt", "Cookie: a=1", "Cookie: b=2")
		r.Header["Origin"] = tt.sent
		if _, verdict, err := gate(t, access.Callback{Service: s, Origins: tt.origins}).Admit(r, "192.0.2.1"); verdict != nil {
			t.Fatal(err)
		}
		if got := heard.Get("Cookie"); got != tt.want || heard.Get("Origin") != strings.Join(tt.sent, ", ") {
			t.Errorf("%q from %q: cookie %q, want %q; %v", tt.origins, tt.sent, got, tt.want, heard)
		}
	}
}

// scripted answers each handshake with the next error of a list.
type scripted struct{ errs []error }

func (s *scripted) Identify(context.Context, *http.Request, string) (*access.Identity, error) {
	err := s.errs[0]
	if len(s.errs) > 1 {
		s.errs = s.errs[1:]
	}
	if err != nil {
		return nil, err
	}
	return &access.Identity{Subject: "dev-1"}, nil
}

// TestGuessingIsSlowed: ten failures at once, then one every six seconds; others are not slowed, and neither is who fails at
// nothing.
func TestGuessingIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := gate(t, &scripted{errs: []error{errors.New("wrong")}})
		tries := func(address string) (n int) {
			for range 1000 {
				if _, verdict, _ := g.Admit(handshake("/mqtt"), address); verdict == reason.AuthThrottled {
					return n
				}
				n++
			}
			return n
		}
		for _, tt := range []struct {
			address string
			want    int
		}{
			{"192.0.2.1", 10}, {"192.0.2.1", 0}, {"::ffff:192.0.2.1", 0}, {"192.0.2.2", 10}, {"2001:db8::1", 10}, {"2001:db8::ffff:2", 0},
			{"2001:db8:0:1::1", 10}, {"fe80::1%eth0", 10}, {"fe80::1%eth1", 0}, {"@", 1000}, {"", 1000},
		} {
			if n := tries(tt.address); n != tt.want {
				t.Errorf("%s: %d tries, want %d", tt.address, n, tt.want)
			}
		}
		time.Sleep(13 * time.Second)
		if n := tries("192.0.2.1"); n != 2 {
			t.Errorf("after 13 s: %d tries, want 2", n)
		}
		time.Sleep(2 * time.Minute)
		if n := tries("192.0.2.1"); n != 10 {
			t.Errorf("after 2 min: %d tries, want 10", n)
		}
	})
}

// slow answers each handshake after a while, with nil if its password is right.
type slow struct{ checked, most, now atomic.Int32 }

const slowCheck = 100 * time.Millisecond

func (s *slow) Identify(_ context.Context, r *http.Request, _ string) (*access.Identity, error) {
	s.checked.Add(1)
	if n := s.now.Add(1); n > s.most.Load() {
		s.most.Store(n)
	}
	defer s.now.Add(-1)
	time.Sleep(slowCheck)
	if _, password, _ := r.BasicAuth(); password != "right" {
		return nil, errors.New("wrong")
	}
	return &access.Identity{Subject: "dev-1"}, nil
}

// verdicts lets devices try at once and counts what became of them.
func verdicts(g *access.Gate, n int, address, password string) map[*reason.Reason]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := make(map[*reason.Reason]int)
	for range n {
		all.Go(func() {
			_, verdict, _ := g.Admit(handshake("/mqtt", basic("dev-1", password)), address)
			mu.Lock()
			defer mu.Unlock()
			got[verdict]++
		})
	}
	all.Wait()
	return got
}

// TestGuessingAtOnce (attack 45): what may fail is taken before the check. A thousand guesses at once are ten checks, and owe no more
// than a minute.
func TestGuessingAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slow)
		g := gate(t, s)
		got := verdicts(g, 1000, "192.0.2.1", "wrong")
		if got[reason.Unauthorized] != 10 || s.checked.Load() != 10 || got[reason.AuthThrottled]+got[reason.AuthBusy] != 990 {
			t.Errorf("%v, %d checked; want 10 and the others sent away", got, s.checked.Load())
		}
		time.Sleep(6 * time.Second)
		if got := verdicts(g, 1, "192.0.2.1", "right"); got[nil] != 1 {
			t.Errorf("six seconds later from the same address: %v", got)
		}
		time.Sleep(time.Minute)
		if n := g.Throttled(); n != 1 {
			t.Errorf("%d addresses are remembered, want the one that failed", n)
		}
		if got := verdicts(g, 1, "192.0.2.1", "right"); got[nil] != 1 || g.Throttled() != 0 {
			t.Errorf("a minute later: %v, %d addresses are remembered", got, g.Throttled())
		}
	})
}

// TestManyBehindOneAddress: a fleet behind one address that comes at once is let in, ten checks at a time.
func TestManyBehindOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(slow)
		g := gate(t, s)
		if got := verdicts(g, 250, "192.0.2.1", "right"); got[nil] != 250 || s.most.Load() != 10 {
			t.Errorf("%v, %d at once; want all in, 10 at once", got, s.most.Load())
		}
		for range 9 {
			verdicts(g, 1, "192.0.2.1", "wrong")
		}
		if got := verdicts(g, 50, "192.0.2.1", "right"); got[nil] != 50 {
			t.Errorf("%v, after nine failures", got)
		}
		if n := verdicts(g, 50, "192.0.2.1", "wrong")[reason.Unauthorized]; n > 2 {
			t.Errorf("%d were checked where one was left", n)
		}
	})
}

// TestWaitingEnds: whoever waits for others of its address does so for a bounded time, in bounded number, and leaves nothing behind.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		g := gate(t, sourceFunc(func() error { <-never; return nil }))
		go verdicts(g, 10, "192.0.2.1", "right")
		synctest.Wait()
		began := time.Now()
		got := verdicts(g, 1000, "192.0.2.1", "right")
		if got[reason.AuthBusy] != 1000 || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", got, time.Since(began))
		}
		close(never)
		synctest.Wait()
		if n := g.Throttled(); n != 0 {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

type sourceFunc func() error

func (f sourceFunc) Identify(context.Context, *http.Request, string) (*access.Identity, error) {
	return &access.Identity{}, f()
}

// New sources are no new start for who guesses.
func TestGateWithOtherSources(t *testing.T) {
	g := gate(t, &scripted{errs: []error{errors.New("wrong")}})
	for range 10 {
		g.Admit(handshake("/mqtt"), "192.0.2.1")
	}
	next, err := g.With(&scripted{errs: []error{nil}})
	if err != nil {
		t.Fatal(err)
	}
	if _, verdict, _ := next.Admit(handshake("/mqtt"), "192.0.2.1"); verdict != reason.AuthThrottled {
		t.Errorf("verdict %v", verdict)
	}
	if _, verdict, _ := next.Admit(handshake("/mqtt"), "192.0.2.2"); verdict != nil {
		t.Errorf("verdict %v", verdict)
	}
	if _, err := g.With(); err == nil {
		t.Error("a gate without sources")
	}
}

func TestOnlyFailuresAreSlowed(t *testing.T) {
	for name, err := range map[string]error{"let in": nil, "service away": fmt.Errorf("x: %w", access.ErrUnavailable)} {
		g := gate(t, &scripted{errs: []error{err}})
		for range 100 {
			if _, verdict, _ := g.Admit(handshake("/mqtt"), "192.0.2.1"); verdict == reason.AuthThrottled {
				t.Fatalf("%s: slowed", name)
			}
		}
	}
	g := gate(t, access.Token{Verifier: verifier(t), Find: access.InBearer})
	for range 100 {
		if _, verdict, _ := g.Admit(handshake("/mqtt"), "192.0.2.1"); verdict != reason.Unauthorized {
			t.Fatalf("no proof: verdict %v", verdict)
		}
	}
	g = gate(t, &scripted{errs: []error{fmt.Errorf("x: %w", access.ErrForbidden)}})
	if _, verdict, _ := g.Admit(handshake("/mqtt"), "192.0.2.1"); verdict != reason.Forbidden {
		t.Errorf("forbidden: verdict %v", verdict)
	}
}

// TestThrottleMemoryIsBounded: a network of more addresses than are remembered.
func TestThrottleMemoryIsBounded(t *testing.T) {
	// In a bubble no time passes: none is forgiven meanwhile, however slow the machine is.
	synctest.Test(t, func(t *testing.T) {
		g := gate(t, &scripted{errs: []error{errors.New("wrong")}})
		r := handshake("/mqtt")
		for i := range 70_000 {
			g.Admit(r, fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		}
		if n := g.Throttled(); n > 64<<10 || n < 32<<10 {
			t.Errorf("%d addresses are remembered", n)
		}
	})
}

package access_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/bridge/access"
)

// FuzzSources: whatever a stranger writes where proofs stand, nobody gets in but with the one password or the one token, a cookie
// counts from its own page only, and no error holds a secret.
func FuzzSources(f *testing.F) {
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "i", "aud": "mqtt", "sub": "dev-1", "exp": time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), // the same in every process of the fuzzer
	}).SignedString([]byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	const page = "https://good.example"
	v := verifier(f)
	cookie, err := access.InCookie("session", []string{page})
	if err != nil {
		f.Fatal(err)
	}
	g := gate(f, access.Basic{Users: users(f)}, access.Token{Verifier: v, Find: access.InBearer}, access.Token{Verifier: v, Find: cookie},
		access.Token{Verifier: v, Find: access.InQuery("token")}, access.Token{Verifier: v, Find: access.InSubprotocol("bearer.")})
	_, password, _ := strings.Cut(basic("dev-1", "CANARY-pw"), ": ")
	f.Add(password, "", "", "", "")
	f.Add("Bearer "+raw, "", "", "", "mqtt")
	f.Add("", "session="+raw, page, "", "mqtt")
	f.Add("", "", "", "token="+raw, "mqtt")
	f.Add("", "", "", "", "mqtt, bearer."+raw)
	f.Add("basic \x00", "session=\"CANARY\"; session", "null", "token=%zz&token", "bearer., ,bearer.CANARY")
	f.Fuzz(func(t *testing.T, authorization, cookie, origin, query, subprotocols string) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/mqtt", RawQuery: query}, Header: http.Header{}}
		for name, value := range map[string]string{
			"Authorization": authorization, "Cookie": cookie, "Origin": origin, "Sec-Websocket-Protocol": subprotocols,
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		id, verdict, err := g.Admit(r, "") // which is no address and so is not slowed
		if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("a secret is told: %v", err)
		}
		if verdict != nil {
			return
		}
		values, _ := url.ParseQuery(query)
		user, pw, _ := r.BasicAuth()
		switch {
		case id.Source == "basic" && user == "dev-1" && pw == "CANARY-pw":
		case id.Source == "token" && id.Token == raw && strings.Contains(authorization+subprotocols+values.Get("token"), raw):
		case id.Source == "token" && id.Token == raw && strings.Contains(cookie, raw) && strings.EqualFold(origin, page):
		default:
			t.Errorf("%v is let in with %q %q %q %q %q", id, authorization, cookie, origin, query, subprotocols)
		}
	})
}

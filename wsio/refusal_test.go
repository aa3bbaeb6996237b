package wsio_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/refusal"
)

// refusal checks one response as every refusal has to be: below 1 KiB in all, no redirect, the end of the connection, no header
// without a value, one line of text, and nothing after it.
func answerTo(b string) (*http.Response, error) {
	r, body, rest, err := parseHTTP(b)
	switch {
	case err != nil:
		return nil, err
	case len(b) >= 1024:
		return nil, fmt.Errorf("%d bytes", len(b))
	case r.StatusCode < 400 || r.StatusCode > 599:
		return nil, fmt.Errorf("status %d", r.StatusCode)
	case !r.Close:
		return nil, errors.New("the connection would stay open")
	case rest != "":
		return nil, fmt.Errorf("%q after the response", rest)
	case bytes.ContainsAny(body, "\r\n"):
		return nil, errors.New("more than one line of text")
	}
	head, _, _ := strings.Cut(b, "\r\n\r\n")
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if name, value, ok := strings.Cut(line, ": "); !ok || name == "" || value == "" {
			return nil, fmt.Errorf("header line %q", line)
		}
	}
	return r, nil
}

// TestCauses: each cause of this package has a request that brings it about.
func TestCauses(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Origins: []string{"https://good.example"}}})
	requests := map[refusal.Cause]string{
		refusal.CausePath:             strings.Replace(goodRequest, "/mqtt", "/other", 1),
		refusal.CauseMethod:           strings.Replace(goodRequest, "GET", "PUT", 1),
		refusal.CauseHTTPVersion:      strings.Replace(goodRequest, "HTTP/1.1", "HTTP/1.0", 1),
		refusal.CauseNotWebSocket:     without(upgradeTo),
		refusal.CauseWebSocketVersion: without(version13),
		refusal.CauseWebSocketKey:     without(keyHeader),
		refusal.CauseRequestBody:      without("", "Content-Length: 2\r\n") + "ab",
		refusal.CauseOrigin:           without("", "Origin: https://evil.example\r\n"),
		refusal.CauseSubprotocol:      without(offersMQTT),
	}
	for _, cause := range refusal.HandshakeCauses() {
		t.Run(string(cause), func(t *testing.T) {
			request, ok := requests[cause]
			if !ok {
				t.Fatal("no request for it")
			}
			s.wantRefused(t, request, http.StatusBadRequest)
			if got := s.cause(); got != string(cause) {
				t.Errorf("Refused heard %q", got)
			}
		})
	}
}

// TestAnswer: the caller's table decides on the status, the wait and the words.
func TestAnswer(t *testing.T) {
	answers := map[string]refusal.Answer{
		"full":                            {Status: 503, RetryAfter: 30 * time.Second, Text: "come back later"},
		"hasty":                           {Status: 503, RetryAfter: 1200 * time.Millisecond, Text: "soon"},
		"redirecting":                     {Status: 302, Text: "elsewhere"},
		"forgotten":                       {},
		"wordy":                           {Status: 503, Text: strings.Repeat("word ", 1000)},
		"teapot":                          {Status: 418, Text: "no coffee"},
		string(refusal.CauseNotWebSocket): {Status: 426, Text: "open a WebSocket"},
		string(refusal.CauseMethod):       {Status: 405, Text: "only GET"},
	}
	var cause string
	s := startServer(t, serverConfig{opts: handshake.Options{
		Admit:  func(*http.Request) refusal.Refusal { return cause },
		Answer: func(why refusal.Refusal) refusal.Answer { return answers[fmt.Sprint(why)] },
	}})
	for _, c := range []struct {
		cause, request string
		status         int
		header, value  string
		text           string
	}{
		{cause: "full", status: 503, header: "Retry-After", value: "30", text: "come back later"},
		{cause: "hasty", status: 503, header: "Retry-After", value: "2", text: "soon"},
		{cause: "teapot", status: 418, header: "Retry-After", value: "", text: "no coffee"},
		{cause: "redirecting", status: 500, header: "Location", value: "", text: "elsewhere"},
		{cause: "forgotten", status: 500},
		{cause: "wordy", status: 503, text: "word word"},
		{cause: "not-websocket", request: without(upgradeTo), status: 426, header: "Upgrade", value: "websocket", text: "open a"},
		{cause: "method-not-get", request: strings.Replace(goodRequest, "GET", "PUT", 1), status: 405, header: "Allow", value: "GET"},
	} {
		t.Run(c.cause, func(t *testing.T) {
			if cause = c.cause; c.request == "" {
				c.request = goodRequest
			}
			response := s.ask(t, c.request)
			r, err := answerTo(response)
			if err != nil {
				t.Fatalf("%v in %q", err, response)
			}
			if r.StatusCode != c.status || r.Header.Get(c.header) != c.value || !strings.Contains(response, "\r\n\r\n"+c.text) {
				t.Errorf("got %q", response)
			}
			if got := s.cause(); got != c.cause {
				t.Errorf("Refused heard %q", got)
			}
		})
	}
}

// TestAdmit is asked for good handshakes only, after everything else was checked, and sees the request.
func TestAdmit(t *testing.T) {
	var asked []string
	s := startServer(t, serverConfig{opts: handshake.Options{
		Admit: func(r *http.Request) refusal.Refusal {
			asked = append(asked, r.URL.RawQuery)
			return nil
		},
	}})
	s.wantAccepted(t, strings.Replace(goodRequest, "/mqtt", "/mqtt?token=a%2Fb", 1), "mqtt")
	s.wantRefused(t, without(offersMQTT), 400)
	s.wantRefused(t, without(keyHeader), 400)
	if len(asked) != 1 || asked[0] != "token=a%2Fb" {
		t.Errorf("asked about %q", asked)
	}
}

// TestBrowserPage: a person who opens the address gets a page, a device without Upgrade gets an error.
func TestBrowserPage(t *testing.T) {
	s := startServer(t, serverConfig{})
	html := "Accept: text/html,application/xhtml+xml;q=0.9\r\n"
	for _, request := range []string{
		"GET /mqtt HTTP/1.1\r\n" + hostHeader + html + "\r\n",
		"GET / HTTP/1.1\r\n" + hostHeader + html + "\r\n",
		"HEAD / HTTP/1.1\r\n" + hostHeader + html + "\r\n",
	} {
		got := s.ask(t, request)
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, "HTTP/1.1 200 ") || len(got) >= 1024 || !strings.Contains(head, "Content-Type: text/html") ||
			!strings.Contains(head, "Connection: close") {
			t.Errorf("%d bytes: %q", len(got), head)
		}
		if strings.HasPrefix(request, "GET") != strings.Contains(body, "subprotocol <code>mqtt</code>") {
			t.Errorf("%.5s: body %q", request, body)
		}
	}
	for _, request := range []string{
		"GET /mqtt HTTP/1.1\r\n" + hostHeader + "\r\n",
		"GET /mqtt HTTP/1.1\r\n" + hostHeader + "Accept: */*\r\n\r\n",
		"GET /other HTTP/1.1\r\n" + hostHeader + html + "\r\n",
		"POST /mqtt HTTP/1.1\r\n" + hostHeader + html + "\r\n",
	} {
		s.wantRefused(t, request, 400)
	}
	if len(s.refused) != 4 {
		t.Errorf("%d refusals heard of: pages are none", len(s.refused))
	}
}

// TestConnectionThatCannotBeTakenOver is answered with an error, not with an empty success.
func TestConnectionThatCannotBeTakenOver(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/mqtt", nil)
	for _, line := range strings.Split(strings.TrimSpace(upgradeTo+keyHeader+version13+offersMQTT), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder() // cannot be hijacked
	handshake.NewHandler(handshake.Options{Accepted: func(*frame.Conn, *http.Request) { t.Error("let in") }}).ServeHTTP(w, r)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("status %d", w.Code)
	}
}

func TestChallenge(t *testing.T) {
	for challenge, want := range map[string][]string{"": nil, `Basic realm="mqtt"`: {`Basic realm="mqtt"`}} {
		h := handshake.NewHandler(handshake.Options{
			Admit: func(*http.Request) refusal.Refusal { return "no" },
			Answer: func(refusal.Refusal) refusal.Answer {
				return refusal.Answer{Status: 401, Challenge: challenge, Text: "no"}
			},
			Refused: func(*http.Request, refusal.Refusal) {},
		})
		r := httptest.NewRequest(http.MethodGet, "/mqtt", nil)
		for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mqtt"} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Values("WWW-Authenticate"); w.Code != 401 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d, WWW-Authenticate %q, want %q", w.Code, got, want)
		}
	}
}

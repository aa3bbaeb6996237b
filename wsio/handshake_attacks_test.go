package wsio_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/refusal"
)

// TestAttack34 is cross-site hijacking: where origins are listed they are compared as a whole.
func TestAttack34(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Origins: []string{"https://good.example", "https://good.example:8443", "null"}}})
	for _, origin := range []string{"https://good.example", "HTTPS://GOOD.example", "https://good.example:8443", "null", "file://"} {
		t.Run("allowed_"+origin, func(t *testing.T) { s.wantAccepted(t, without("", "Origin: "+origin+"\r\n"), "mqtt") })
	}
	t.Run("allowed_without", func(t *testing.T) { s.wantAccepted(t, goodRequest, "mqtt") })
	for _, origin := range []string{
		"https://good.example.evil.example", "https://good.exampleevil", "https://good.example@evil.example",
		"https://good.example:443", "https://good.example:844", "http://good.example", "https://sub.good.example",
		"https://evil.example/https://good.example", "https://good.example/", "good.example", "", "null.evil",
		"file://evil.example", "file:///", "https://good.example, https://evil.example", "https://good.examplE\xcc\x81",
	} {
		t.Run("refused_"+origin, func(t *testing.T) { s.wantRefused(t, without("", "Origin: "+origin+"\r\n"), 400) })
	}
	t.Run("refused_two_origins", func(t *testing.T) {
		s.wantRefused(t, without("", "Origin: https://good.example\r\nOrigin: https://evil.example\r\n"), 400)
	})
}

func status(why refusal.Refusal) refusal.Answer {
	cause := fmt.Sprint(why)
	codes := map[string]int{"websocket-version": 426, "not-websocket": 426, "method-not-get": 405, "unknown-path": 404}
	if code, ok := codes[cause]; ok {
		return refusal.Answer{Status: code, Text: cause}
	}
	return refusal.Answer{Status: 400, Text: cause}
}

// TestAttack35 is odd handshakes.
func TestAttack35(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Answer: status}})
	withKey := func(key string) string { return without(keyHeader, "Sec-WebSocket-Key: "+key+"\r\n") }
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"two_keys", without("", keyHeader), 400},
		{"no_key", without(keyHeader), 400},
		{"empty_key", withKey(""), 400},
		{"key_of_15_bytes", withKey("AAAAAAAAAAAAAAAAAAAA"), 400},
		{"key_of_17_bytes", withKey("AAAAAAAAAAAAAAAAAAAAAAA="), 400},
		{"key_of_18_bytes", withKey("AAAAAAAAAAAAAAAAAAAAAAAA"), 400},
		{"key_is_not_base64", withKey("!!!!!!!!!!!!!!!!!!!!!!=="), 400},
		{"two_keys_in_a_line", withKey(sampleKey + ", " + sampleKey), 400},
		{"no_version", without(version13), 426},
		{"version_8", without(version13, "Sec-WebSocket-Version: 8\r\n"), 426},
		{"version_13_and_8", without("", "Sec-WebSocket-Version: 8\r\n"), 426},
		{"version_list", without(version13, "Sec-WebSocket-Version: 13, 8\r\n"), 426},
		{"version_013", without(version13, "Sec-WebSocket-Version: 013\r\n"), 426},
		{"POST", strings.Replace(goodRequest, "GET", "POST", 1), 405},
		{"lower_case_get", strings.Replace(goodRequest, "GET", "get", 1), 405},
		{"OPTIONS_*", strings.Replace(goodRequest, "GET /mqtt", "OPTIONS *", 1), 404},
		{"CONNECT", strings.Replace(goodRequest, "GET /mqtt", "CONNECT bridge.test:80", 1), 404},
		{"HTTP/1.0", strings.Replace(goodRequest, "HTTP/1.1", "HTTP/1.0", 1), 400},
		{"HTTP/0.9", "GET /mqtt\r\n\r\n", 400},
		{"HTTP/2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"two_hosts", without("", "Host: evil.example\r\n"), 400},
		{"no_host", without(hostHeader), 400},
		{"no_upgrade", without("Upgrade: websocket\r\n"), 426},
		{"no_connection", without("Connection: Upgrade\r\n"), 426},
		{"upgrade_to_websockets", without("Upgrade: websocket\r\n", "Upgrade: websockets\r\n"), 426},
		{"upgrade_to_websoc\u212aet", without("Upgrade: websocket\r\n", "Upgrade: websoc\u212aet\r\n"), 426},
		{"upgrade_to_h2c", without("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"), 426},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.wantRefused(t, c.request, c.status)
			version := r.Header.Get("Sec-WebSocket-Version")
			if want := strings.Contains(c.name, "version"); want != (version == "13") {
				t.Errorf("Sec-WebSocket-Version: %q", version)
			}
		})
	}
	t.Run("lists_and_cases_are_fine", func(t *testing.T) {
		s.wantAccepted(t, without(upgradeTo, "Upgrade: h2c, WebSocket\r\nConnection: keep-alive\r\nConnection: x,UPGRADE\r\n"), "mqtt")
	})
}

// TestAttack36 is smuggling: whatever is wrong with the headers, one response comes and the connection ends.
func TestAttack36(t *testing.T) {
	s := startServer(t, serverConfig{})
	second := "GET /mqtt HTTP/1.1\r\n" + goodHeaders + "\r\n"
	for name, request := range map[string]string{
		"CL_and_TE":            without("", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + second,
		"TE":                   without("", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n" + second,
		"TE_identity":          without("", "Transfer-Encoding: identity\r\n"),
		"CL":                   without("", "Content-Length: 5\r\n") + "12345" + second,
		"CL_promised_only":     without("", "Content-Length: 5\r\nConnection: Upgrade\r\nExpect: 100-continue\r\n") + "12345",
		"two_CL":               without("", "Content-Length: 0\r\nContent-Length: 5\r\n") + "12345",
		"negative_CL":          without("", "Content-Length: -1\r\n"),
		"space_before_colon":   without("", "X-Odd : 1\r\n") + second,
		"space_in_host_name":   without(hostHeader, "Host : bridge.test\r\n"),
		"leading_space":        strings.Replace(goodRequest, "\r\n", "\r\n X: 1\r\n", 1),
		"NUL_in_value":         without("", "X-Odd: a\x00b\r\n"),
		"NUL_in_name":          without("", "X-O\x00dd: a\r\n"),
		"CR_in_value":          without("", "X-Odd: a\rb\r\n"),
		"no_colon":             without("", "X-Odd\r\n"),
		"empty_name":           without("", ": 1\r\n"),
		"bare_LF_in_the_value": without("", "X-Odd: 1\nSec-WebSocket-Key: "+sampleKey+"\r\n"),
		"space_in_target":      strings.Replace(goodRequest, "/mqtt", "/mqtt x", 1),
	} {
		t.Run(name, func(t *testing.T) {
			got := s.ask(t, request)
			r, err := answerTo(got)
			if err != nil || r.StatusCode != 400 && r.StatusCode != 501 {
				t.Errorf("%v: %q", err, got)
			}
		})
	}
	// RFC 9112 sections 2.2 and 5.2 let a server read these. They cannot hide a request: the connection ends either way.
	t.Run("bare_LF_ends_a_line", func(t *testing.T) { s.wantAccepted(t, strings.ReplaceAll(goodRequest, "\r\n", "\n"), "mqtt") })
	t.Run("folded_line_is_joined", func(t *testing.T) {
		s.wantAccepted(t, without(offersMQTT, "Sec-WebSocket-Protocol: chat,\r\n mqtt\r\n"), "mqtt")
	})
	t.Run("no_second_request", func(t *testing.T) {
		s.wantRefused(t, without(offersMQTT)+second, 400)
		if n := len(s.accepted); n != 0 {
			t.Errorf("%d requests behind a refused one were let in", n)
		}
	})
}

// TestAttack37 is size.
func TestAttack37(t *testing.T) {
	s := startServer(t, serverConfig{})
	many := func(line string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, line, i)
		}
		return b.String()
	}
	for name, request := range map[string]string{
		"2000_headers":        without("", many("X-Header-%d: value\r\n", 2000)),
		"2_MB_of_headers":     without("", "X: "+strings.Repeat("a", 2<<20)+"\r\n"),
		"cookies":             without("", many("Cookie: c%d=1\r\n", 100_000)),
		"long_request_line":   strings.Replace(goodRequest, "/mqtt", "/mqtt?"+strings.Repeat("a", 64<<10), 1),
		"subprotocols":        without(offersMQTT, "Sec-WebSocket-Protocol: "+many("p%d,", 100_000)+"mqtt\r\n"),
		"endless_header_name": without("", strings.Repeat("a", 64<<10)+": 1\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // net/http waits half a second before it closes on a sender
			if got := s.ask(t, request); !strings.HasPrefix(got, "HTTP/1.1 431 ") {
				t.Errorf("got %.200q", got)
			} else if _, err := answerTo(got); err != nil {
				t.Errorf("%v: %q", err, got)
			}
		})
	}
	t.Run("many_names_that_fit", func(t *testing.T) {
		s.wantAccepted(t, without(offersMQTT, "Sec-WebSocket-Protocol: "+strings.Repeat("a,", 4000)+"mqtt\r\n"), "mqtt")
	})
}

// TestAttack38 is games with subprotocols.
func TestAttack38(t *testing.T) {
	s := startServer(t, serverConfig{})
	offer := func(lines ...string) string {
		return without(offersMQTT, "Sec-WebSocket-Protocol: "+strings.Join(lines, "\r\nSec-WebSocket-Protocol: ")+"\r\n")
	}
	t.Run("second_line", func(t *testing.T) { s.wantAccepted(t, offer("chat", "mqtt"), "mqtt") })
	t.Run("list_in_the_second_line", func(t *testing.T) { s.wantAccepted(t, offer("chat, x", "mqttv3.1, MQTT"), "MQTT") })
	t.Run("mqttv3.1_goes_after_mqtt", func(t *testing.T) { s.wantAccepted(t, offer("mqttv3.1, mqtt"), "mqtt") })
	t.Run("the_first_of_two_spellings", func(t *testing.T) { s.wantAccepted(t, offer("MQTT, mqtt"), "MQTT") })
	for _, odd := range []string{"mqtt5", "xmqtt", "mqtt v3.1", "mqtt;q=1", `"mqtt"`, "mqtt\u00a0", "m\u00b5tt", "soap, wamp"} {
		t.Run("refused_"+odd, func(t *testing.T) { s.wantRefused(t, offer(odd), 400) })
	}
}

// TestAttack39 is games with paths: they are compared letter by letter.
func TestAttack39(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Answer: status, Paths: []string{"/mqtt", "/$iothub/websocket", "/a(1)!*'", "/a b"}}})
	path := func(p string) string { return strings.Replace(goodRequest, "/mqtt", p, 1) }
	for _, p := range []string{"/mqtt", "/$iothub/websocket", "/$iothub/websocket?iothub-no-client-cert=true", "/a(1)!*'", "/a%20b"} {
		t.Run("known_"+p, func(t *testing.T) { s.wantAccepted(t, path(p), "mqtt") })
	}
	for _, p := range []string{
		"/", "//mqtt", "/mqtt/", "/MQTT", "/%6dqtt", "/mqtt%00", "/x/../mqtt", "/./mqtt", "/mqtt/..", "/mqtt;a=b", "/%2fmqtt", "/..%2fmqtt",
	} {
		t.Run("unknown_"+p, func(t *testing.T) { s.wantRefused(t, path(p), http.StatusNotFound) })
	}
}

// TestPlainTextOnTLS: a device that forgot TLS gets a small answer, too.
func TestPlainTextOnTLS(t *testing.T) {
	s := startServer(t, serverConfig{tls: tlsConfig(t)})
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write([]byte(goodRequest)); err != nil {
		t.Fatal(err)
	}
	if got := string(wsframes.Collect(nc).Wait()); len(got) >= 1024 || !strings.Contains(got, " 400 ") {
		t.Errorf("got %q", got)
	}
}

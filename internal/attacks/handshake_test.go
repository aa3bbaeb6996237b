//go:build linux

package attacks

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// requestCase is a bad handshake and its answer; reason is "" where net/http answers before the bridge sees a request.
type requestCase struct {
	name, request string
	status        int
	reason        string
}

// refuseRequests sends each and wants its one answer.
func (k *attack) refuseRequests(t *testing.T, cases []requestCase) {
	t.Helper()
	times := make(map[string]int)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if status, _ := reach(t, k.bridge.WS).say(c.request).refusal(); status != c.status {
				t.Errorf("answered with %d, want %d", status, c.status)
			}
			if c.reason != "" {
				times[c.reason]++
			}
		})
	}
	for reason, n := range times {
		k.wantReason(reason, n)
	}
}

// TestAttack34_cross_site: pages of other origins are refused, however alike they look. A device without Origin passes.
func TestAttack34_cross_site(t *testing.T) {
	k := plain(t)
	var cases []requestCase
	for _, origin := range []string{
		"https://evil.example", "http://good.example", "https://good.example:443", "https://good.example.evil.example",
		"https://good.example@evil.example", "https://sub.good.example", "https://good.example/", "null", "",
		goodOrigin + ", https://evil.example", "file://evil.example",
	} {
		cases = append(cases, requestCase{"origin_" + origin, with("Origin: " + origin + "\r\n"), 403, "origin"})
	}
	cases = append(cases, requestCase{"two_origins", with("Origin: " + goodOrigin + "\r\nOrigin: https://evil.example\r\n"), 403, "origin"})
	k.refuseRequests(t, cases)
	reach(t, k.bridge.WS).upgraded(with("Origin: " + goodOrigin + "\r\n"))
	open(t, k)
}

func TestAttack35_odd_handshakes(t *testing.T) {
	k := plain(t)
	key := func(key string) string { return instead(keyLine, "Sec-WebSocket-Key: "+key+"\r\n") }
	k.refuseRequests(t, []requestCase{
		{"two_keys", with(keyLine), 400, "websocket-key"},
		{"no_key", instead(keyLine, ""), 400, "websocket-key"},
		{"key_of_15_bytes", key("AAAAAAAAAAAAAAAAAAAA"), 400, "websocket-key"},
		{"key_of_17_bytes", key("AAAAAAAAAAAAAAAAAAAAAAA="), 400, "websocket-key"},
		{"key_is_not_base64", key("!!!!!!!!!!!!!!!!!!!!!!=="), 400, "websocket-key"},
		{"version_8", instead(versLine, "Sec-WebSocket-Version: 8\r\n"), 426, "websocket-version"},
		{"two_versions", with("Sec-WebSocket-Version: 8\r\n"), 426, "websocket-version"},
		{"no_version", instead(versLine, ""), 426, "websocket-version"},
		{"POST", instead("GET", "POST"), 405, "method-not-get"},
		{"HTTP_1.0", instead("HTTP/1.1", "HTTP/1.0"), 426, "http-version"},
		{"HTTP_2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 426, "http-version"},
		{"no_upgrade", instead(upLines, ""), 426, "not-websocket"},
		{"upgrade_to_h2c", instead("websocket\r\n", "h2c\r\n"), 426, "not-websocket"},
		{"two_hosts", with("Host: evil.example\r\n"), 400, ""},
		{"no_host", instead(hostLine, ""), 400, ""},
	})
}

// TestAttack36_header_smuggling: whatever is wrong, one answer comes and the connection ends. A second request behind it is not read.
func TestAttack36_header_smuggling(t *testing.T) {
	k := plain(t)
	second := with("User-Agent: smuggled\r\n")
	k.refuseRequests(t, []requestCase{
		{"CL_and_TE", with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + second, 400, "request-body"},
		{"TE", with("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n" + second, 400, "request-body"},
		{"CL", with("Content-Length: 5\r\n") + "12345" + second, 400, "request-body"},
		{"two_CL", with("Content-Length: 0\r\nContent-Length: 5\r\n") + "12345" + second, 400, ""},
		{"space_before_colon", with("X-Odd : 1\r\n") + second, 400, ""},
		{"NUL", with("X-Odd: a\x00b\r\n") + second, 400, ""},
		{"CR_in_a_value", with("X-Odd: a\rb\r\n") + second, 400, ""},
		{"bare_LF_and_a_second_key", with("X-Odd: 1\n"+keyLine) + second, 400, "websocket-key"},
		{"leading_space", instead("\r\n", "\r\n X: 1\r\n") + second, 400, ""},
		{"refused_and_a_second", instead(offerLine, "") + second, 400, "subprotocol"},
	})
	if strings.Contains(k.said(), "smuggled") {
		t.Error("a request behind a refused one was looked at")
	}
}

// TestAttack37_many_headers: more than limits.header-size is not read.
func TestAttack37_many_headers(t *testing.T) {
	k := plain(t)
	lines := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	k.refuseRequests(t, []requestCase{
		{"2000_headers", with(lines("X-Header-%d: value\r\n", 2000)), 431, ""},
		{"2_MB", with("X: " + strings.Repeat("a", 2<<20) + "\r\n"), 431, ""},
		{"a_million_cookies", with("Cookie: " + lines("c%d=1; ", 1_000_000) + "\r\n"), 431, ""},
		{"subprotocols", instead("mqtt\r\n", lines("p%d, ", 100_000)+"mqtt\r\n"), 431, ""},
		{"long_path", instead("/mqtt", "/mqtt?"+strings.Repeat("a", 64<<10)), 431, ""},
		{"empty_subprotocols_that_fit", instead("mqtt\r\n", strings.Repeat(",", 8000)+"\r\n"), 400, "subprotocol"},
	})
}

func TestAttack38_subprotocols(t *testing.T) {
	k := plain(t)
	offer := func(lines ...string) string {
		return instead(offerLine, "Sec-WebSocket-Protocol: "+strings.Join(lines, "\r\nSec-WebSocket-Protocol: ")+"\r\n")
	}
	k.refuseRequests(t, []requestCase{
		{"none", instead(offerLine, ""), 400, "subprotocol"},
		{"empty", offer(""), 400, "subprotocol"},
		{"another", offer("soap, wamp"), 400, "subprotocol"},
		{"almost", offer("mqtt5, xmqtt, mqtt;q=1"), 400, "subprotocol"},
	})
	for _, c := range []struct{ request, want string }{
		{offer("mqttv3.1, mqtt"), "mqtt"},
		{offer("chat", "x, mqtt"), "mqtt"},
		{offer("mqttv3.1"), "mqttv3.1"},
		{offer("MQTT"), "MQTT"},
	} {
		answer, err := http.ReadResponse(reach(t, k.bridge.WS).say(c.request).r, nil)
		if err != nil || answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Protocol") != c.want {
			t.Errorf("%q is answered with %v, %v", c.request, answer, err)
		}
	}
}

func TestAttack39_paths(t *testing.T) {
	k := plain(t)
	var cases []requestCase
	for _, path := range []string{
		"//mqtt", "/mqtt/", "/MQTT", "/%6dqtt", "/mqtt%00", "/x/../mqtt", "/./mqtt", "/mqtt/..", "/mqtt;a=b", "/%2fmqtt",
		"/../../etc/passwd", "/metrics", "/debug/pprof/", "*",
	} {
		cases = append(cases, requestCase{path, instead("/mqtt ", path+" "), 404, "unknown-path"})
	}
	k.refuseRequests(t, cases)
}

//go:build linux

package attacks

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestAttack31_bound_identifier: who somebody is decides which client identifier it may have.
func TestAttack31_bound_identifier(t *testing.T) {
	k, g := guardedly(t)
	bearer := with(authorization("Bearer " + g.good(t, "dev-1", time.Hour)))
	for version, want := range map[byte]string{4: "\x20\x02\x00\x05", 5: "\x87"} {
		for _, id := range []string{"dev-2", "", "dev-1/", "dev-1\x00", "DEV-1"} {
			got := reach(t, k.bridge.WS).upgraded(bearer).send(hello{version: version, id: id}.packet()).wantEndOneOf(1008, 1002)
			if id != "dev-1\x00" && (!strings.HasPrefix(got, "\x20") || !strings.Contains(got, want)) {
				t.Errorf("client identifier %q in MQTT %d: CONNACK %x", id, version, got)
			}
		}
	}
	k.wantReason("not-authorized", 8)
	k.wantUnheard("dev-2", "DEV-1")
	reach(t, k.bridge.WS).upgraded(bearer).join(hello{version: 4, id: "dev-1"}).alive()
}

// TestAttack34_cookie: a page of another origin has the user's cookie, and gets nothing by it.
func TestAttack34_cookie(t *testing.T) {
	k, g := guardedly(t)
	cookie := "Cookie: session=" + g.good(t, "dev-1", time.Hour) + "\r\n"
	k.refuseRequests(t, []requestCase{
		{"no_origin", with(cookie), 401, "unauthorized"},
		{"another_origin", with(cookie, "Origin: https://evil.example\r\n"), 403, "origin"},
		{"null", with(cookie, "Origin: null\r\n"), 403, "origin"},
		{"file", with(cookie, "Origin: file://\r\n"), 401, "unauthorized"},
	})
	reach(t, k.bridge.WS).upgraded(with(cookie, "Origin: "+goodOrigin+"\r\n")).join(hello{version: 4, id: "dev-1"}).alive()
}

// TestAttack43_secrets_in_logs: whatever is shown as a proof, and the password in CONNECT, stands nowhere in the log or the metrics.
func TestAttack43_secrets_in_logs(t *testing.T) {
	k, g := guardedly(t)
	token := g.good(t, "dev-1", time.Hour)
	k.refuseRequests(t, []requestCase{
		{"password", with(authorization(basic("pump", "SECRET-wrong"))), 401, "unauthorized"},
		{"user", with(authorization(basic("SECRET-user", "SECRET-wrong"))), 401, "unauthorized"},
		{"token", with(authorization("Bearer SECRET." + token)), 401, "unauthorized"},
		{"query", instead("/mqtt", "/mqtt?token=SECRET"+token), 401, "unauthorized"},
		{"path", instead("/mqtt", "/mqtt/SECRET?token="+token), 404, "unknown-path"},
		{"cookie", with("Cookie: session=SECRET\r\nOrigin: " + goodOrigin + "\r\n"), 101, "unauthorized"}, // a page is told in CONNACK
		{"odd_authorization", with(authorization("SECRET")), 401, "unauthorized"},
	})
	secret := hello{version: 4, id: "dev-1", user: "SECRET-in-connect", password: "SECRET-in-connect"}
	d := reach(t, k.bridge.WS).upgraded(instead("/mqtt", "/mqtt?token="+token)).join(secret)
	d.send(publish("devices/dev-1/x", "SECRET-payload"), publish("elsewhere", "SECRET-payload"), "\x00\x00").end()
	open403 := reach(t, k.bridge.WS).upgraded(with(authorization("Bearer " + token)))
	secret.id = "another"
	open403.send(secret.packet()).wantEnd(1008)
	k.wantReason("packet-malformed", 1)
	k.wantReason("not-authorized", 1)
	for what, text := range map[string]string{"log": k.bridge.Said(), "metrics": ask(t, k.bridge, "/metrics")} {
		for _, word := range append(strings.Split(token, "."), "SECRET") {
			if strings.Contains(text, word) {
				t.Errorf("%q is in the %s", word, what)
			}
		}
	}
}

// TestAttack44_forged_tokens: none gets in, and none learns why.
func TestAttack44_forged_tokens(t *testing.T) {
	k, g := guardedly(t)
	none := func(c jwt.MapClaims) string {
		return sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, c, nil)
	}
	hs := func(c jwt.MapClaims, head map[string]any) string {
		return sign(t, jwt.SigningMethodHS256, g.secret, c, head)
	}
	kid := map[string]any{"kid": "h"}
	without := func(name string) jwt.MapClaims {
		c := claims("dev-1", time.Hour)
		delete(c, name)
		return c
	}
	changed := func(name string, value any) jwt.MapClaims {
		c := claims("dev-1", time.Hour)
		c[name] = value
		return c
	}
	good := g.good(t, "dev-1", time.Hour)
	parts := strings.Split(good, ".")
	forged := map[string]string{
		"alg_none":              none(claims("dev-1", time.Hour)),
		"no_signature":          parts[0] + "." + parts[1] + ".",
		"public_key_as_secret":  sign(t, jwt.SigningMethodHS256, g.publicPEM, claims("dev-1", time.Hour), map[string]any{"kid": "r"}),
		"HS512":                 sign(t, jwt.SigningMethodHS512, g.secret, claims("dev-1", time.Hour), kid),
		"RS256_named_by_HS_kid": sign(t, jwt.SigningMethodRS256, g.private, claims("dev-1", time.Hour), kid),
		"kid_is_a_path":         sign(t, jwt.SigningMethodHS256, []byte(""), claims("dev-1", time.Hour), map[string]any{"kid": "../../../dev/null"}),
		"kid_is_a_url":          hs(claims("dev-1", time.Hour), map[string]any{"kid": "http://127.0.0.1:1/key", "jku": "http://127.0.0.1:1/key"}),
		"critical_header":       hs(claims("dev-1", time.Hour), map[string]any{"kid": "h", "crit": []string{"b64"}}),
		"no_aud":                hs(without("aud"), kid), "other_aud": hs(changed("aud", "http"), kid),
		"no_exp": hs(without("exp"), kid), "expired": hs(changed("exp", time.Now().Add(-time.Hour).Unix()), kid),
		"exp_is_text": hs(changed("exp", "never"), kid),
		"no_iss":      hs(without("iss"), kid), "other_iss": hs(changed("iss", "j"), kid),
		"no_sub": hs(without("sub"), kid), "not_yet": hs(changed("nbf", time.Now().Add(time.Hour).Unix()), kid),
		"huge":       hs(changed("x", strings.Repeat("x", 9<<10)), kid),
		"many_parts": strings.Repeat("a.", 4000), "nested": parts[0] + "." + good, "not_base64": "%%%.%%%.%%%", "empty": "",
	}
	body := ""
	n := 0
	for name, token := range forged {
		n++
		status, text := answered(t, k, n/5, with(authorization("Bearer "+token)))
		if status != 401 {
			t.Errorf("%s: answered with %d", name, status)
		}
		if body == "" {
			body = text
		}
		if text != body {
			t.Errorf("%s is told %q, another %q", name, text, body)
		}
	}
	k.wantReason("unauthorized", len(forged))
	reach(t, k.bridge.WS).upgraded(with(authorization("Bearer " + good))).join(hello{version: 4, id: "dev-1"}).alive()
}

// answered asks from one of many addresses, because guessing is slowed for each, and returns status and body.
func answered(t testing.TB, k *attack, from int, request string) (status int, body string) {
	t.Helper()
	d := reachFrom(t, k.bridge.WS, fmt.Sprintf("127.9.%d.1", from)).say(request)
	return d.refusalText()
}

// TestAttack44_expires: a session does not outlive its token.
func TestAttack44_expires(t *testing.T) {
	k, g := guardedly(t)
	devices := make(map[byte]*device)
	for _, version := range []byte{4, 5} { // with time for a slow machine to bring both online
		id := fmt.Sprint("dev-", version)
		d := reach(t, k.bridge.WS).upgraded(with(authorization("Bearer " + g.good(t, id, 8*time.Second))))
		devices[version] = d.join(hello{version: version, id: id})
	}
	for version, want := range map[byte]string{4: "", 5: "\xa0"} {
		if got := devices[version].wantEnd(1008); !strings.Contains(got, want) {
			t.Errorf("MQTT %d: the device hears %x", version, got)
		}
	}
	k.wantReason("identity-expired", 2)
}

// TestAttack45_one_answer: who does not exist is answered like who has another password, in every byte but the date. How long the answer
// takes is not judged here: package access checks a hash in both cases.
func TestAttack45_one_answer(t *testing.T) {
	k, _ := guardedly(t)
	_, known := answered(t, k, 100, with(authorization(basic("pump", "wrong"))))
	_, unknown := answered(t, k, 101, with(authorization(basic("nobody", "wrong"))))
	if known != unknown {
		t.Errorf("a known user is answered %q, an unknown one %q", known, unknown)
	}
	k.wantReason("unauthorized", 2)
}

// TestAttack45_guessing is slowed, for the address that guesses.
func TestAttack45_guessing(t *testing.T) {
	k, _ := guardedly(t)
	slowed := false
	for i := range 40 {
		status, _ := answered(t, k, 102, with(authorization(basic("pump", fmt.Sprint("guess-", i)))))
		slowed = slowed || status == 429
	}
	if !slowed {
		t.Error("40 guesses were all answered")
	}
	if status, _ := answered(t, k, 102, with(authorization(basic("pump", pumpPassword)))); status != 429 {
		t.Errorf("the guesser's right guess is answered with %d", status)
	}
	reachFrom(t, k.bridge.WS, "127.9.103.1").upgraded(with(authorization(basic("pump", pumpPassword))))
}

// TestAttack53_reload: a broken file of users changes nothing at SIGHUP.
func TestAttack53_reload(t *testing.T) {
	k, g := guardedly(t)
	before, err := os.ReadFile(g.users)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { writeFile(t, "", g.users, string(before)) }()
	const kept = "access files are not used; the ones before stay in use"
	for i, broken := range []string{"", "pump:not-a-hash\n", "# nobody\n", "pump\n"} {
		told := strings.Count(k.said(), kept)
		writeFile(t, "", g.users, broken)
		k.bridge.Signal(syscall.SIGHUP)
		if !eventually(func() bool { return strings.Count(k.said(), kept) > told }) {
			t.Fatalf("with users %q the log does not say %q", broken, kept)
		}
		if status, _ := answered(t, k, 110+i, with(authorization(basic("pump", "")))); status != 401 {
			t.Errorf("with users %q a wrong password is answered with %d", broken, status)
		}
		if status, _ := answered(t, k, 110+i, goodHello); status != 401 {
			t.Errorf("with users %q a device without a proof is answered with %d", broken, status)
		}
		reach(t, k.bridge.WS).upgraded(with(authorization(basic("pump", pumpPassword))))
	}
}

package token_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/bridge/access/token"
)

func TestEveryAlgorithm(t *testing.T) {
	k := keys()
	v := verifier(t, token.Fixed{
		load(t, publicPEM(t, &k.rsa.PublicKey), "rsa", ""), load(t, publicPEM(t, &k.rsa.PublicKey), "pss", "PS256"),
		load(t, publicPEM(t, &k.ec.PublicKey), "ec", ""), load(t, publicPEM(t, k.ed.Public()), "ed", ""), load(t, []byte(secret+"\r\n"), "hs", "HS256"),
	})
	for _, tt := range []struct {
		method jwt.SigningMethod
		key    any
		id     string
	}{
		{jwt.SigningMethodRS256, k.rsa, "rsa"}, {jwt.SigningMethodPS256, k.rsa, "pss"}, {jwt.SigningMethodES256, k.ec, "ec"},
		{jwt.SigningMethodEdDSA, k.ed, "ed"}, {jwt.SigningMethodHS256, []byte(secret), "hs"},
	} {
		claims := good()
		for _, header := range []map[string]any{{"kid": tt.id}, {}} {
			c, err := v.Verify(t.Context(), sign(t, tt.method, tt.key, claims, header))
			if err != nil {
				t.Errorf("%s %v: %v", tt.method.Alg(), header, err)
				continue
			}
			if c.Subject != "dev-1" || c.Values["tenant"] != "acme" || c.Values["n"] != "12345678901" || c.Values["yes"] != "true" || c.Values["nested"] != "" {
				t.Errorf("%s: %+v", tt.method.Alg(), c)
			}
			if want := time.Unix(claims["exp"].(int64)+30, 0); !c.Expires.Equal(want) {
				t.Errorf("%s: expires %v, want %v", tt.method.Alg(), c.Expires, want)
			}
		}
	}
}

// TestListClaim: one claim may be a list of texts. No claim is lost because there are many, or long ones.
func TestListClaim(t *testing.T) {
	k := keys()
	v, err := token.New(token.Options{Keys: token.Fixed{load(t, publicPEM(t, &k.ec.PublicKey), "", "")}, Issuer: "https://issuer.test", Audience: []string{"mqtt"}, List: "mqtt"})
	if err != nil {
		t.Fatal(err)
	}
	long := make([]string, 20)
	for i := range long {
		long[i] = fmt.Sprintf("allow publish a/%060d", i)
	}
	for _, tt := range []struct {
		value any
		want  string
		err   error
	}{
		{[]string{"one", "two"}, "one\ntwo\n", nil}, {[]string{}, "", nil}, {"one", "one", nil}, {long, strings.Join(long, "\n") + "\n", nil},
		{[]any{"one", 2}, "", token.ErrList}, {map[string]any{"a": "b"}, "", token.ErrList}, {1, "", token.ErrList}, {nil, "", token.ErrList},
		{[]any{[]string{"one"}}, "", token.ErrList},
		// Whoever put a name into a text of the list did not mean to add a rule.
		{[]string{"allow publish a/x\nallow all #"}, "", token.ErrList},
	} {
		claims := with("mqtt", tt.value)
		for i := range 100 {
			claims[fmt.Sprint("x", i)] = "y"
		}
		claims["long"] = strings.Repeat("l", 1500)
		c, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodES256, k.ec, claims, nil))
		if err == nil && (len(c.Values) < 101 || len(c.Values["long"]) != 1500) {
			t.Errorf("%d claims are left", len(c.Values))
		}
		if !errors.Is(err, tt.err) || c.Values["mqtt"] != tt.want {
			t.Errorf("%v: %q, %v", tt.value, c.Values["mqtt"], err)
		}
	}
	c, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodES256, k.ec, good(), nil))
	if value, there := c.Values["mqtt"]; err != nil || there {
		t.Errorf("without the claim: %q, %v", value, err)
	}
}

// TestForgedTokens is attack 44.
func TestForgedTokens(t *testing.T) {
	k := keys()
	rsaPEM := publicPEM(t, &k.rsa.PublicKey)
	v := verifier(t, token.Fixed{load(t, rsaPEM, "rsa", ""), load(t, publicPEM(t, &k.ec.PublicKey), "", "")})
	rs := func(claims jwt.MapClaims) string { return sign(t, jwt.SigningMethodRS256, k.rsa, claims, nil) }
	now := time.Now()
	genuine := rs(good())
	parts := strings.Split(genuine, ".")
	for _, tt := range []struct {
		name, raw string
		want      error
	}{
		{"algorithm none", sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good(), nil), token.ErrKey},
		{"algorithm None", b64([]byte(`{"alg":"None"}`)) + "." + parts[1] + ".", token.ErrKey},
		{"public key as secret", sign(t, jwt.SigningMethodHS256, rsaPEM, good(), nil), token.ErrKey},
		{"public key as secret, named", sign(t, jwt.SigningMethodHS256, rsaPEM, good(), map[string]any{"kid": "rsa"}), token.ErrKey},
		{"another algorithm of the same key", sign(t, jwt.SigningMethodRS512, k.rsa, good(), nil), token.ErrKey},
		{"key of somebody else", sign(t, jwt.SigningMethodES256, k.other, good(), nil), token.ErrSignature},
		{"kid as path", sign(t, jwt.SigningMethodRS256, k.rsa, good(), map[string]any{"kid": "../../dev/null"}), token.ErrKey},
		{"kid as number", sign(t, jwt.SigningMethodRS256, k.rsa, good(), map[string]any{"kid": 1}), token.ErrMalformed},
		{"jwk of its own", sign(t, jwt.SigningMethodES256, k.other, good(), map[string]any{"jwk": jwk(t, &k.other.PublicKey, "")}), token.ErrSignature},
		{"critical header", sign(t, jwt.SigningMethodRS256, k.rsa, good(), map[string]any{"crit": []string{"b64"}}), token.ErrKey},
		{"claims changed", parts[0] + "." + b64([]byte(`{"sub":"admin"}`)) + "." + parts[2], token.ErrSignature},
		{"signature cut", parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])/8*4], token.ErrSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", token.ErrSignature},
		{"no expiry", rs(without("exp")), token.ErrClaims},
		{"expired", rs(with("exp", now.Add(-time.Minute).Unix())), token.ErrExpired},
		{"expiry as text", rs(with("exp", "tomorrow")), token.ErrMalformed},
		{"not yet", rs(with("nbf", now.Add(time.Minute).Unix())), token.ErrNotYet},
		{"no issuer", rs(without("iss")), token.ErrClaims},
		{"another issuer", rs(with("iss", "https://issuer.test.evil")), token.ErrIssuer},
		{"no audience", rs(without("aud")), token.ErrClaims},
		{"another audience", rs(with("aud", "mqtt2")), token.ErrAudience},
		{"no subject", rs(without("sub")), token.ErrClaims},
		{"empty subject", rs(with("sub", "")), token.ErrClaims},
		{"subject as list", rs(with("sub", []string{"a"})), token.ErrClaims},
		{"huge", rs(with("x", strings.Repeat("x", 8<<10))), token.ErrLarge},
		{"nested parts", strings.Repeat("a.", 4000), token.ErrMalformed},
		{"empty", "", token.ErrMalformed},
		{"dots", "..", token.ErrMalformed},
		{"padding", parts[0] + "=." + parts[1] + "." + parts[2], token.ErrMalformed},
		// RFC 7515 section 2: base64url without line breaks or other characters.
		{"line break in the signature", parts[0] + "." + parts[1] + "." + parts[2][:5] + "\r\n" + parts[2][5:], token.ErrMalformed},
		{"line break in the claims", parts[0] + "." + parts[1] + "\n." + parts[2], token.ErrMalformed},
		{"standard base64", base64.StdEncoding.EncodeToString([]byte(`{"alg":"RS256","x":"???>>>"}`)) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
	} {
		c, err := v.Verify(t.Context(), tt.raw)
		if !errors.Is(err, tt.want) || c.Subject != "" {
			t.Errorf("%s: %+v, %v, want %v", tt.name, c, err, tt.want)
		}
	}
	if _, err := v.Verify(t.Context(), genuine); err != nil {
		t.Error(err)
	}
	for name, claims := range map[string]jwt.MapClaims{
		"expired within the leeway": with("exp", now.Add(-20*time.Second).Unix()),
		"one audience as text":      with("aud", "devices"),
	} {
		if _, err := v.Verify(t.Context(), rs(claims)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorsTellNothing is attack 43 for tokens and keys.
func TestErrorsTellNothing(t *testing.T) {
	const canary = "CANARY0123456789CANARY0123456789"
	v := verifier(t, token.Fixed{load(t, []byte(canary), "", "HS256")})
	for _, raw := range []string{
		canary + "." + canary + "." + canary,
		b64([]byte(`{"alg":"`+canary+`"}`)) + ".e30.x", b64([]byte(`{"alg":"HS256","kid":["`+canary+`"]}`)) + ".e30.x",
		sign(t, jwt.SigningMethodHS256, []byte(canary), with("iss", canary), nil),
		sign(t, jwt.SigningMethodHS256, []byte(canary), with("exp", canary), nil),
		sign(t, jwt.SigningMethodHS256, []byte(canary), with("aud", canary), nil),
	} {
		if _, err := v.Verify(t.Context(), raw); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%v", err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", load(t, []byte(canary), "", "HS256"), load(t, []byte(canary), "", "HS256"), load(t, []byte(canary), "", "HS256")); strings.Contains(text, "CANARY") {
		t.Errorf("a key prints as %s", text)
	}
}

func TestNewDemandsIssuerAndAudience(t *testing.T) {
	for _, opts := range []token.Options{
		{Keys: token.Fixed{}, Audience: []string{"a"}}, {Keys: token.Fixed{}, Issuer: "i"}, {Issuer: "i", Audience: []string{"a"}},
		{Keys: token.Fixed{}, Issuer: "i", Audience: []string{""}},
	} {
		if _, err := token.New(opts); err == nil {
			t.Errorf("%+v passes", opts)
		}
	}
}

func TestSubjectOfAnotherClaim(t *testing.T) {
	v, err := token.New(token.Options{Keys: token.Fixed{load(t, []byte(secret), "", "HS256")}, Issuer: "https://issuer.test", Audience: []string{"mqtt"}, Subject: "n"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, []byte(secret), good(), nil))
	if err != nil || c.Subject != "12345678901" {
		t.Errorf("%+v, %v", c, err)
	}
}

// FuzzVerify: no text is a token but one that was signed.
func FuzzVerify(f *testing.F) {
	k := load(f, []byte(secret), "", "HS256")
	claims := good()
	claims["exp"] = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC).Unix() // the same in every process of the fuzzer
	genuine := sign(f, jwt.SigningMethodHS256, []byte(secret), claims, nil)
	f.Add(genuine)
	f.Add("..")
	f.Add(b64([]byte(`{"alg":"none"}`)) + "." + strings.Split(genuine, ".")[1] + ".")
	v := verifier(f, token.Fixed{k})
	f.Fuzz(func(t *testing.T, raw string) {
		if c, err := v.Verify(t.Context(), raw); err == nil && raw != genuine {
			t.Fatalf("%q passes as %+v", raw, c)
		}
	})
}

// FuzzParseSet: what an issuer's URL answers makes public keys with their own algorithms, or none.
func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"CANARY"},{"kty":"RSA","alg":"PS256","n":"AQAB","e":"AQAB"},{"kty":"EC","use":"enc"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := token.ParseSet(text)
		if (err == nil) != (len(keys) > 0) || len(keys) > 64 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if alg, _, _ := strings.Cut(k.String(), " "); alg != "EdDSA" && !strings.HasPrefix(alg, "ES") && !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS") {
				t.Errorf("a key for %q", alg)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := verifier(b, token.Fixed{load(b, publicPEM(b, &keys().ec.PublicKey), "", "")})
	raw := sign(b, jwt.SigningMethodES256, keys().ec, good(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

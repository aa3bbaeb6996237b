package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/bridge/access/token"
)

// TestBadKeysAreRefused is attack 53 for keys: nothing is read that would protect less than it seems to.
func TestBadKeysAreRefused(t *testing.T) {
	k := keys()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip("this Go makes no weak keys")
	}
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	private, _ := x509.MarshalPKCS8PrivateKey(k.ec)
	for _, tt := range []struct {
		name, alg, want string
		text            []byte
	}{
		{"empty", "", "no public key", nil},
		{"no PEM", "", "no public key", []byte("CANARY")},
		{"garbage in PEM", "", "no public key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("CANARY")})},
		{"garbage certificate", "", "no public key", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("CANARY")})},
		{"garbage RSA", "", "no public key", pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: []byte("CANARY")})},
		{"other PEM", "", "no public key", pem.EncodeToMemory(&pem.Block{Type: "CANARY"})},
		{"private key", "", "private key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})},
		{"public key as secret", "HS256", "no secret", publicPEM(t, &k.rsa.PublicKey)},
		{"short secret", "HS256", "32 bytes", []byte("CANARY\n")},
		{"empty secret", "HS512", "32 bytes", nil},
		{"none", "none", "does not fit", publicPEM(t, &k.rsa.PublicKey)},
		{"RSA as ES256", "ES256", "does not fit", publicPEM(t, &k.rsa.PublicKey)},
		{"P-256 as ES384", "ES384", "does not fit", publicPEM(t, &k.ec.PublicKey)},
		{"P-224", "", "does not fit", publicPEM(t, &p224.PublicKey)},
		{"weak RSA", "", "2048", publicPEM(t, &weak.PublicKey)},
		{"large file", "", "larger than", []byte(strings.Repeat("x", 1<<20+1))},
	} {
		_, err := token.LoadKey(write(t, tt.text), "", tt.alg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if _, err := token.LoadKey(filepath.Join(t.TempDir(), "absent"), "", ""); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func TestKeyFromPKCS1(t *testing.T) {
	k := keys()
	key := load(t, pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)}), "", "")
	if _, err := verifier(t, token.Fixed{key}).Verify(t.Context(), sign(t, jwt.SigningMethodRS256, k.rsa, good(), nil)); err != nil {
		t.Error(err)
	}
}

func TestKeySet(t *testing.T) {
	k := keys()
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	set := keySet(t, jwk(t, &k.rsa.PublicKey, "r"), jwk(t, &k.ec.PublicKey, "e"), jwk(t, &p384.PublicKey, "e3"), jwk(t, k.ed.Public(), "d"),
		map[string]string{"kty": "oct", "k": b64([]byte(secret)), "alg": "HS256"}, map[string]string{"kty": "EC", "crv": "secp256k1"},
		map[string]string{"kty": "OKP", "crv": "X25519"}, map[string]string{"kty": "RSA", "use": "enc"}, map[string]string{"kty": "new"})
	read, err := token.LoadSet(write(t, set))
	if err != nil || len(read) != 4 {
		t.Fatalf("%v, %v", read, err)
	}
	v := verifier(t, token.Fixed(read))
	for _, raw := range []string{
		sign(t, jwt.SigningMethodRS256, k.rsa, good(), map[string]any{"kid": "r"}), sign(t, jwt.SigningMethodES256, k.ec, good(), map[string]any{"kid": "e"}),
		sign(t, jwt.SigningMethodES384, p384, good(), map[string]any{"kid": "e3"}), sign(t, jwt.SigningMethodEdDSA, k.ed, good(), map[string]any{"kid": "d"}),
	} {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Error(err)
		}
	}
	// A secret that everybody can read is none.
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, []byte(secret), good(), nil)); !errors.Is(err, token.ErrKey) {
		t.Errorf("published secret: %v", err)
	}
	// A key is for the tokens that name it.
	if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, k.rsa, good(), map[string]any{"kid": "e"})); !errors.Is(err, token.ErrKey) {
		t.Errorf("other kid: %v", err)
	}
}

func TestBadKeySets(t *testing.T) {
	k := keys()
	change := func(w map[string]string, name, value string) map[string]string { w[name] = value; return w }
	ec := jwk(t, &k.ec.PublicKey, "")
	many := make([]map[string]string, 65)
	for i := range many {
		many[i] = ec
	}
	for name, text := range map[string][]byte{
		"empty": nil, "no JSON": []byte("CANARY"), "no keys": []byte("{}"), "a list": []byte("[]"), "keys of text": []byte(`{"keys":["CANARY"]}`),
		"only secrets":   keySet(t, map[string]string{"kty": "oct", "k": "CANARY"}),
		"modulus":        keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "n", "CANARY!")),
		"small modulus":  keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "n", "AQAB")),
		"exponent 1":     keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "e", "AQ")),
		"even exponent":  keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "e", "AQAC")),
		"no exponent":    keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "e", "")),
		"algorithm":      keySet(t, change(jwk(t, &k.rsa.PublicKey, ""), "alg", "HS256")),
		"not on curve":   keySet(t, change(jwk(t, &k.ec.PublicKey, ""), "y", ec["x"])),
		"short point":    keySet(t, change(jwk(t, &k.ec.PublicKey, ""), "x", "AQAB")),
		"Ed25519 length": keySet(t, change(jwk(t, k.ed.Public(), ""), "x", "AQAB")),
		"too many":       keySet(t, many...),
	} {
		if read, err := token.ParseSet(text); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v, %v", name, read, err)
		}
	}
	if _, err := token.LoadSet(write(t, nil)); err == nil {
		t.Error("an empty file")
	}
}

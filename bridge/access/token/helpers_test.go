package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge/access/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Private keys are made once for all tests of a run: RSA takes its time.
var keys = sync.OnceValue(func() (k struct {
	rsa   *rsa.PrivateKey
	ec    *ecdsa.PrivateKey
	other *ecdsa.PrivateKey
	ed    ed25519.PrivateKey
}) {
	k.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	k.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.other, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, k.ed, _ = ed25519.GenerateKey(rand.Reader)
	return k
})

const secret = "0123456789abcdef0123456789abcdef"

func write(t testing.TB, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func publicPEM(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func load(t testing.TB, text []byte, id, alg string) token.Key {
	t.Helper()
	k, err := token.LoadKey(write(t, text), id, alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// good are the claims of a token that passes.
func good() jwt.MapClaims {
	return jwt.MapClaims{
		"iss": "https://issuer.test", "aud": []string{"other", "mqtt"}, "sub": "dev-1",
		"exp": time.Now().Add(time.Hour).Unix(), "tenant": "acme", "n": int64(12345678901), "yes": true, "nested": map[string]any{"a": 1},
	}
}

func without(name string) jwt.MapClaims {
	c := good()
	delete(c, name)
	return c
}

func with(name string, value any) jwt.MapClaims {
	c := good()
	c[name] = value
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	for name, value := range header {
		tok.Header[name] = value
	}
	raw, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verifier(t testing.TB, source token.Source) *token.Verifier {
	t.Helper()
	v, err := token.New(token.Options{Keys: source, Issuer: "https://issuer.test", Audience: []string{"mqtt", "devices"}, Leeway: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk is the public half as a JSON Web Key.
func jwk(t testing.TB, key crypto.PublicKey, id string) map[string]string {
	t.Helper()
	switch k := key.(type) {
	case *rsa.PublicKey:
		return map[string]string{"kty": "RSA", "kid": id, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(point) - 1) / 2
		return map[string]string{"kty": "EC", "kid": id, "crv": k.Curve.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "kid": id, "crv": "Ed25519", "x": b64(k)}
	}
	t.Fatalf("no JSON Web Key for %T", key)
	return nil
}

func keySet(t testing.TB, jwks ...map[string]string) []byte {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": jwks})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

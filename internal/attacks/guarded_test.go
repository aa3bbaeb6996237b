//go:build linux

package attacks

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// guarded is an arena whose bridge wants to know who a device is, binds its client identifier to that, and has rules for topics. Its
// wss:// listener wants a certificate besides.
type guarded struct {
	*arena
	users     string           // the file of the basic source
	devices   *certs.Authority // of device certificates
	clientCA  string           // the file that the bridge has of it
	secret    []byte           // of HS256
	private   *rsa.PrivateKey  // of RS256
	publicPEM []byte
}

// Secrets that devices of the guarded arena show; none may be logged.
const (
	innocentPassword = "SECRET-of-the-innocent"
	pumpPassword     = "SECRET-of-the-pump"
)

var guardedArena = once(func(t testing.TB) *guarded {
	g := &guarded{secret: []byte("SECRET-of-thirty-two-bytes-or-more"), devices: certs.New(t)}
	dir := t.TempDir()
	var err error
	if g.private, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&g.private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	g.publicPEM = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	g.users = writeFile(t, dir, "users", user(t, "innocent", innocentPassword)+user(t, "pump", pumpPassword))
	ca, err := os.ReadFile(g.devices.File)
	if err != nil {
		t.Fatal(err)
	}
	g.clientCA = writeFile(t, dir, "client-ca.pem", string(ca))
	token := func(in, name string) map[string]any {
		return map[string]any{"type": "token", "in": in, "name": name, "issuer": "i", "audience": []string{"mqtt"}, "keys": []map[string]string{
			{"file": writeFile(t, dir, "hmac", string(g.secret)), "id": "h", "algorithm": "HS256"},
			{"file": writeFile(t, dir, "rsa.pem", string(g.publicPEM)), "id": "r", "algorithm": "RS256"},
		}}
	}
	config := map[string]any{
		"origins": []string{goodOrigin},
		"tls":     map[string]any{"client-auth": "require", "client-ca": g.clientCA},
		"access": map[string]any{
			"sources": []any{map[string]any{"type": "basic", "file": g.users}, token("bearer", ""), token("cookie", "session"), token("query", "token")},
			"require": map[string]any{"client-id": "{{subject}}"},
			"rules":   []any{map[string]any{"allow": "all", "topics": []string{"innocent/#", "devices/{{client_id}}/#"}}},
		},
	}
	text, err := json.Marshal(config) // which is YAML too
	if err != nil {
		t.Fatal(err)
	}
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + broker.TCP, TLS: true,
		Args: append([]string{"--config", writeFile(t, dir, "bridge.yaml", string(text))}, shortLimits...),
	})
	header := http.Header{"Authorization": {basic("innocent", innocentPassword)}}
	g.arena = &arena{bridge: bridge, broker: broker, innocent: befriend(t, bridge.WS+"/mqtt", header)}
	return g
})

// guardedly begins an attack in the guarded arena.
func guardedly(t *testing.T) (*attack, *guarded) {
	t.Helper()
	g := guardedArena(t)
	return g.begin(t), g
}

func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// user is a line of a file of users.
func user(t testing.TB, name, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return name + ":" + string(hash) + "\n"
}

// basic is the value of Authorization for a password.
func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func authorization(value string) string { return "Authorization: " + value + "\r\n" }

// claims are what a good token says, for some seconds.
func claims(subject string, life time.Duration) jwt.MapClaims {
	return jwt.MapClaims{"iss": "i", "aud": "mqtt", "sub": subject, "exp": time.Now().Add(life).Unix()}
}

// token signs claims, with further fields in its head.
func sign(t testing.TB, method jwt.SigningMethod, key any, c jwt.MapClaims, head map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	for name, value := range head {
		token.Header[name] = value
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// good is a token with which this subject gets in.
func (g *guarded) good(t testing.TB, subject string, life time.Duration) string {
	return sign(t, jwt.SigningMethodHS256, g.secret, claims(subject, life), map[string]any{"kid": "h"})
}

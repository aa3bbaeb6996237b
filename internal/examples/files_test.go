package examples

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// files are those that the examples name, and what devices need to fit them.
type files struct {
	dir     string // in place of home
	address string // that the certificate is for
	devices *certs.Authority
	good    certs.Pair // a device's
	stolen  certs.Pair // a revoked one
	key     *ecdsa.PrivateKey
}

const password = "correct-horse"

func makeFiles(t *testing.T, broker *mosquitto.Broker) *files {
	t.Helper()
	host := loopback.Host()
	f := &files{dir: t.TempDir(), address: loopback.Address(t, host), devices: certs.New(t)}
	f.good, f.stolen = f.devices.Client(t, "dev-1"), f.devices.Client(t, "dev-2")
	server := f.devices.Server(t, host)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if f.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{
		"tls/fullchain.pem": server.CertFile, "tls/privkey.pem": server.KeyFile,
		"devices-ca.pem": f.devices.File, "devices.crl": f.devices.CRL(t, time.Now().Add(time.Hour), f.stolen),
		"broker-ca.pem": broker.Authority.File,
	} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		f.put(t, name, content)
	}
	f.put(t, "users", []byte("dev-1:"+string(hash)+"\n"))
	return f
}

func (f *files) put(t *testing.T, name string, content []byte) {
	t.Helper()
	name = filepath.Join(f.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// tls is how a device reaches a wss address, with certificates of its own.
func (f *files) tls(t *testing.T, own ...certs.Pair) *tls.Config {
	t.Helper()
	config := &tls.Config{RootCAs: f.devices.Pool()}
	for _, pair := range own {
		cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = append(config.Certificates, cert)
	}
	return config
}

// token is one that the identity provider gave to dev-1.
func (f *files) token(t *testing.T, issuer string) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuer, "aud": "mqtt", "sub": "dev-1", "exp": time.Now().Add(time.Hour).Unix(),
	})
	token.Header["kid"] = "one"
	raw, err := token.SignedString(f.key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// provider serves the identity provider's keys, and the callback's answers at /auth.
func (f *files) provider(t *testing.T) (url string) {
	t.Helper()
	point, err := f.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	keys := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"one","x":%q,"y":%q}]}`,
		encode(point[1:33]), encode(point[33:]))
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(keys)) })
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); given != password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"subject": "dev-1", "claims": {"tenant": "t-1"}, "expires_in": 3600}`))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

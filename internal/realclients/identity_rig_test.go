package realclients

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"text/template"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// identities is the bridge with every source of identities, before a Mosquitto that knows no device, but what the bridge makes of
// one: the user m-SUBJECT with a password of the bridge's, who may use the topics below own/ and the client identifier.
type identities struct {
	t       testing.TB
	broker  *mosquitto.Broker
	bridge  *bridgeproc.Bridge
	devices *certs.Authority       // of the certificates of devices
	dir     string                 // of the files below
	service atomic.Int32           // the status with which the authentication service refuses
	keys    atomic.Pointer[string] // what the issuer of tokens publishes; nil: it is down
	asked   atomic.Int32           // how often it was asked
	address atomic.Int32           // of the last handshake, so that the failures of one do not slow the next
}

// Secrets begin with CANARY: the log must not hold one.
const (
	signingKey     = "CANARY-a-secret-of-thirty-two-bytes-or-more"
	brokerPassword = "CANARY-what-only-the-bridge-knows"
	devicePassword = "CANARY-what-the-device-knows"
	ownPage        = "https://app.example.com"
)

// subjects are the names that devices can prove, one for each source, and what the broker knows of them.
var subjects = []string{"bcrypt", "argon2", "bearer", "cookie", "query", "subprotocol", "certificate", "callback"}

// Configurations of the bridge. In both the broker gets the same.
const (
	everySource = `
origins: ["{{.Page}}"]
addresses: {header: x-forwarded-for, trusted-proxies: [127.0.0.0/8]}
upstream: {health-interval: 1h}
tls: {client-auth: request, client-ca: "{{.CA}}", crl: "{{.CRL}}"}
access:
  sources:
    - {type: basic, file: "{{.Dir}}/users"}
    - {type: token, in: bearer, issuer: i, audience: [mqtt], keys: [{file: "{{.Dir}}/key", algorithm: HS256}]}
    - {type: token, in: cookie, name: token, issuer: i, audience: [mqtt], keys: [{file: "{{.Dir}}/key", algorithm: HS256}]}
    - {type: token, in: query, name: token, issuer: i, audience: [mqtt], keys: [{file: "{{.Dir}}/key", algorithm: HS256}]}
    - {type: token, in: subprotocol, name: bearer., issuer: i, audience: [mqtt], keys: [{file: "{{.Dir}}/key", algorithm: HS256}]}
    - {type: certificate, name: cn}
    - {type: callback, url: "{{.Service}}/auth?key=CANARY"}
` + identityConnect
	subprotocolAlone = `
access:
  sources:
    - {type: token, in: subprotocol, name: bearer., issuer: i, audience: [mqtt], keys: [{file: "{{.Dir}}/key", algorithm: HS256}]}
` + identityConnect
	rotatingKeys = `
addresses: {header: x-forwarded-for, trusted-proxies: [127.0.0.0/8]}
access:
  sources:
    - {type: token, in: bearer, issuer: i, audience: [mqtt], key-set: "{{.Service}}/keys?key=CANARY", refresh: 1h}
` + identityConnect
	identityConnect = `
  connect:
    client-id: "{{"{{subject}}-{{client_id}}"}}"
    username: "m-{{"{{subject}}"}}"
    password: "{{.Password}}"
`
)

// startIdentities starts both. keys are what the issuer publishes at first, nil if it is down.
func startIdentities(t testing.TB, config string, keys *string) *identities {
	r := &identities{t: t, devices: certs.New(t), dir: t.TempDir()}
	r.keys.Store(keys)
	acl := filepath.Join(r.dir, "acl")
	write(t, acl, "pattern readwrite own/%c/#\n")
	users := make(map[string]string)
	for _, subject := range subjects {
		users["m-"+subject] = brokerPassword
	}
	r.broker = mosquitto.Start(t, mosquitto.Options{Users: users, Config: []string{"acl_file " + acl}})
	r.service.Store(http.StatusUnauthorized)
	mux := http.NewServeMux()
	mux.HandleFunc("/auth", r.serveAuth)
	mux.HandleFunc("/keys", r.serveKeys)
	service := httptest.NewServer(mux)
	t.Cleanup(service.Close)
	write(t, filepath.Join(r.dir, "users"), "bcrypt:"+bcryptOf(t, devicePassword)+"\nargon2:"+argon2Of(devicePassword)+"\n")
	write(t, filepath.Join(r.dir, "key"), signingKey)
	var text bytes.Buffer
	if err := template.Must(template.New("").Parse(config)).Execute(&text, map[string]string{
		"Page": ownPage, "CA": r.devices.File, "CRL": r.devices.CRL(t, time.Now().Add(time.Hour)), "Dir": r.dir, "Service": service.URL, "Password": brokerPassword,
	}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(r.dir, "bridge.yaml")
	write(t, file, text.String())
	r.bridge = bridgeproc.Start(t, bridgeproc.Options{
		Binary: bridgeproc.Build(t), Upstream: "tcp://" + r.broker.TCP, TLS: true,
		Args:    []string{"--config", file, "--log.level", "debug", "--browser-reasons", "off"}, // pages are looked at by their HTTP status
		Unready: config == rotatingKeys && keys == nil,                                          // /readyz is 503 while nobody can be let in
	})
	t.Cleanup(func() {
		if strings.Contains(r.bridge.Said(), "CANARY") {
			t.Error("a secret is logged")
		}
	})
	return r
}

// serveAuth is the operator's own service: it knows one cookie.
func (r *identities) serveAuth(w http.ResponseWriter, q *http.Request) {
	if q.Header.Get("Cookie") != "session=CANARY-session" || q.URL.Query().Get("key") != "CANARY" {
		w.WriteHeader(int(r.service.Load()))
		return
	}
	fmt.Fprint(w, `{"subject":"callback"}`)
}

// serveKeys is the issuer's key set.
func (r *identities) serveKeys(w http.ResponseWriter, _ *http.Request) {
	r.asked.Add(1)
	if keys := r.keys.Load(); keys != nil {
		fmt.Fprint(w, *keys)
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
}

// keySet is a JSON Web Key Set with this one key.
func keySet(t testing.TB, key *ecdsa.PrivateKey, kid string) *string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}]}`, kid, b64(point[1:33]), b64(point[33:]))
	return &set
}

// proof has a device prove the subject of that name.
func (r *identities) proof(subject string) Command {
	c := Command{Do: "connect", URL: r.bridge.WS + "/mqtt", Clean: true, Keepalive: 60, Headers: r.from()}
	token := tokenOf(r.t, subject, signingKey)
	switch subject {
	case "bcrypt", "argon2":
		c.Headers["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(subject+":"+devicePassword))
	case "cookie":
		c.Headers["Cookie"], c.Headers["Origin"] = "token="+token, ownPage
	case "query":
		c.URL += "?token=" + token
	case "subprotocol":
		c.Subprotocols = []string{"bearer." + token}
	case "certificate":
		pair := r.devices.Client(r.t, subject)
		c.URL, c.CA, c.Cert, c.Key = r.bridge.WSS+"/mqtt", r.bridge.Authority.File, pair.CertFile, pair.KeyFile
	case "callback":
		c.Headers["Cookie"] = "session=CANARY-session"
	default:
		c.Headers["Authorization"] = "Bearer " + token
	}
	return c
}

// from is the header of a proxy that tells of another device each time.
func (r *identities) from() map[string]string {
	n := r.address.Add(1)
	return map[string]string{"X-Forwarded-For": fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255)}
}

func bcryptOf(t testing.TB, password string) string {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// argon2Of is the hash in the PHC format, as argon2(1) writes it.
func argon2Of(password string) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=4096,t=1,p=1$%s$%s", b64(salt), b64(argon2.IDKey([]byte(password), salt, 1, 4096, 1, 32)))
}

func claims(subject string) jwt.MapClaims {
	return jwt.MapClaims{"iss": "i", "aud": "mqtt", "sub": subject, "exp": time.Now().Add(time.Hour).Unix()}
}

func tokenOf(t testing.TB, subject, key string) string {
	return signed(t, jwt.SigningMethodHS256, []byte(key), "", claims(subject))
}

func signed(t testing.TB, method jwt.SigningMethod, key any, kid string, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = kid
	raw, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// write puts a whole file in the place of another at once.
func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

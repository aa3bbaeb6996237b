package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// accessRig is a bridge with access control before a Mosquitto that lets in nobody but the user u-dev-1, whose password no device knows.
type accessRig struct {
	t   *testing.T
	p   *process
	log *lockedBuffer
	ws  string
	wss string // "" without TLS
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

const hmacSecret = "CANARY-secret-of-thirty-two-bytes-or-more"

func startAccess(t *testing.T, broker *mosquitto.Broker, change func(*config.Config)) *accessRig {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.Admin.Listen, cfg.Upstream.URLs = []string{"127.0.0.1:0"}, "", []string{"tcp://" + broker.TCP}
	cfg.Access.Connect.Username, cfg.Access.Connect.Password = "u-{{subject}}", "CANARY-upstream"
	change(cfg)
	if err := config.Validate(cfg); err != nil {
		t.Fatal(err)
	}
	r := &accessRig{t: t, log: new(lockedBuffer)}
	var err error
	if r.p, err = wire(cfg, slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.p.close()
		if strings.Contains(r.log.String(), "CANARY") {
			t.Errorf("a secret is logged:\n%s", r.log)
		}
	})
	if err := r.p.pool.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.p.start()
	for i, l := range r.p.deviceListeners {
		if r.p.deviceListeners[i].address.TLS {
			r.wss = "wss://" + l.Addr().String() + "/mqtt"
			continue
		}
		r.ws = "ws://" + l.Addr().String() + "/mqtt"
	}
	return r
}

// device connects and fails the test unless that ends as wanted. It disconnects with the test.
func (r *accessRig) device(url string, header http.Header, id *tls.Config, want bool) mqtt.Client {
	r.t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetClientID("c-1").SetHTTPHeaders(header).SetTLSConfig(id).
		SetAutoReconnect(false).SetConnectTimeout(20 * time.Second))
	token := c.Connect()
	if !token.WaitTimeout(20*time.Second) || (token.Error() == nil) != want {
		r.t.Fatalf("connect: %v, want it to work: %v; log:\n%s", token.Error(), want, r.log)
	}
	if want {
		r.t.Cleanup(func() { c.Disconnect(100) })
	}
	return c
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

func jwtFor(t *testing.T, method jwt.SigningMethod, key any, kid string, life time.Duration) string {
	t.Helper()
	token := jwt.NewWithClaims(method, jwt.MapClaims{"iss": "i", "aud": "mqtt", "sub": "dev-1", "exp": time.Now().Add(life).Unix()})
	token.Header["kid"] = kid
	raw, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func doorBroker(t *testing.T) *mosquitto.Broker {
	return mosquitto.Start(t, mosquitto.Options{Users: map[string]string{"u-dev-1": "CANARY-upstream"}})
}

// TestAccessSources: each kind of proof brings a device through to a broker that knows only the mapped credentials, and a wrong
// one does not.
func TestAccessSources(t *testing.T) {
	broker := doorBroker(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("CANARY-pw"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "session=CANARY-cookie" || r.Header.Get("X-Device-Address") != "127.0.0.1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"subject":"dev-1"}`)
	}))
	t.Cleanup(service.Close)
	authority := certs.New(t)
	server, client, stranger := authority.Server(t, "127.0.0.1"), authority.Client(t, "dev-1"), certs.New(t).Client(t, "dev-1")
	key := []config.AccessKey{{File: writeFile(t, hmacSecret), Algorithm: "HS256"}}
	tokens := config.AccessSource{Type: "token", Issuer: "i", Audience: []string{"mqtt"}, Keys: key, In: "bearer"}
	inQuery := tokens
	inQuery.In, inQuery.Name = "query", "token"
	r := startAccess(t, broker, func(cfg *config.Config) {
		cfg.Listen = append(cfg.Listen, "wss://127.0.0.1:0")
		cfg.TLS.Cert, cfg.TLS.Key = server.CertFile, server.KeyFile
		cfg.TLS.ClientAuth, cfg.TLS.ClientCA = "request", authority.File
		cfg.Access.Sources = []config.AccessSource{
			{Type: "basic", File: writeFile(t, "dev-1:"+string(hash))}, tokens, inQuery,
			{Type: "certificate", Name: "cn"}, {Type: "callback", URL: service.URL + "/?key=CANARY"},
		}
	})
	basic := func(password string) http.Header {
		q := http.Request{Header: http.Header{}}
		q.SetBasicAuth("dev-1", password)
		return q.Header
	}
	good := jwtFor(t, jwt.SigningMethodHS256, []byte(hmacSecret), "", time.Hour)
	withCert := func(pair certs.Pair) *tls.Config {
		cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{cert}}
	}
	r.device(r.ws, basic("CANARY-pw"), nil, true)
	r.device(r.ws, basic("CANARY-wrong"), nil, false)
	r.device(r.ws, bearer(good), nil, true)
	r.device(r.ws, bearer(good+"x"), nil, false)
	r.device(r.ws+"?token="+good, nil, nil, true)
	r.device(r.ws+"?token=CANARY", nil, nil, false)
	r.device(r.wss, nil, withCert(client), true)
	r.device(r.wss, nil, withCert(stranger), false)
	r.device(r.ws, http.Header{"Cookie": {"session=CANARY-cookie"}}, nil, true)
	r.device(r.ws, nil, nil, false)
	r.challenged()
	if !strings.Contains(r.log.String(), "wrong user name or password") || !strings.Contains(r.log.String(), `"reason":"unauthorized"`) {
		t.Errorf("the log does not tell why:\n%s", r.log)
	}
}

// challenged holds what a handshake without a proof is told.
func (r *accessRig) challenged() {
	r.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(upgradeRequest(r.t, r.ws))
	if err != nil {
		r.t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != 401 || !strings.Contains(got, "Basic realm=") || !strings.Contains(got, "Bearer realm=") {
		r.t.Errorf("%s, WWW-Authenticate %q", resp.Status, got)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// upgradeRequest is a handshake without a proof.
func upgradeRequest(t *testing.T, ws string) *http.Request {
	t.Helper()
	q, err := http.NewRequest(http.MethodGet, "http"+strings.TrimPrefix(ws, "ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mqtt"} {
		q.Header.Set(name, value)
	}
	return q
}

// TestAccessReload: a changed file of users counts after SIGHUP and without it, a broken one does not (attack 53), and who is
// connected stays.
func TestAccessReload(t *testing.T) {
	t.Run("SIGHUP", func(t *testing.T) { reloadUsers(t, hangUp) })
	t.Run("by itself", func(t *testing.T) { reloadUsers(t, func(*testing.T) {}) })
}

func reloadUsers(t *testing.T, nudge func(*testing.T)) {
	users := func(password string) string {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return "dev-1:" + string(hash)
	}
	file := writeFile(t, users("one"))
	p, brokers, log := startBridge(t, func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "basic", File: file}}
	})
	proof := func(password string) string {
		q := http.Request{Header: http.Header{}}
		q.SetBasicAuth("dev-1", password)
		return upgradeHead + offer + "Authorization: " + q.Header.Get("Authorization") + "\r\n\r\n"
	}
	status := func(password string) string {
		device := dialDevices(t, p)
		send(t, device, proof(password))
		answer := make([]byte, len("HTTP/1.1 101"))
		if _, err := io.ReadFull(device, answer); err != nil {
			t.Fatal(err)
		}
		return string(answer[9:])
	}
	device := dialDevices(t, p)
	send(t, device, proof("one")+framed(connectPacket))
	broker := <-brokers
	defer broker.Close()
	receive(t, broker, connectPacket)
	for _, step := range []struct{ content, line, one, two string }{
		{users("two"), "access files loaded", "401", "101"},
		{"", "access files are not used; the ones before stay in use", "401", "101"},
		{users("one") + "\nbroken", "access files are not used; the ones before stay in use", "401", "101"},
		{"remove", "access files are not used; the ones before stay in use", "401", "101"},
		{users("two"), "access files loaded", "401", "101"},
	} {
		log.reset()
		err := os.Remove(file)
		if step.content != "remove" {
			err = os.WriteFile(file, []byte(step.content), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		nudge(t)
		log.await(t, step.line, "")
		if one, two := status("one"), status("two"); one != step.one || two != step.two {
			t.Errorf("after %q: %s and %s", step.content, one, two)
		}
	}
	if text := metricsOf(t, p); !strings.Contains(text, `mqtt_ws_bridge_access_reloads_total{outcome="ok"}`) ||
		strings.Contains(text, `mqtt_ws_bridge_access_reloads_total{outcome="failed"} 0`) {
		t.Errorf("the metrics are\n%s", text)
	}
	send(t, device, framed("\xc0\x00"))
	receive(t, broker, "\xc0\x00")
}

// metricsOf are the bridge's own metrics.
func metricsOf(t *testing.T, p *process) string {
	t.Helper()
	w := httptest.NewRecorder()
	p.admin.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil))
	var own strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "mqtt_ws_bridge_") {
			own.WriteString(line)
		}
	}
	return own.String()
}

// TestAccessKeyRotation: keys change at their URL while a device is connected, which it does not notice, and a token of the new key
// is good at once.
func TestAccessKeyRotation(t *testing.T) {
	set := func(key *ecdsa.PrivateKey, kid string) string {
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		enc := base64.RawURLEncoding.EncodeToString
		return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}]}`, kid, enc(point[1:33]), enc(point[33:]))
	}
	one, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	two, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	var body atomic.Pointer[string]
	var asked atomic.Int32
	publish := func(text string) { body.Store(&text) }
	publish(set(one, "1"))
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		fmt.Fprint(w, *body.Load())
	}))
	t.Cleanup(issuer.Close)
	r := startAccess(t, doorBroker(t), func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"}, KeySet: issuer.URL, Refresh: 50 * time.Millisecond}}
	})
	device := r.device(r.ws, bearer(jwtFor(t, jwt.SigningMethodES256, one, "1", time.Hour)), nil, true)
	publish(set(two, "2"))
	for seen := asked.Load(); asked.Load() < seen+2; { // the second fetch from now on began after the change
		if token := device.Publish("ping", 1, false, "x"); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	r.device(r.ws, bearer(jwtFor(t, jwt.SigningMethodES256, two, "2", time.Hour)), nil, true)
	r.device(r.ws, bearer(jwtFor(t, jwt.SigningMethodES256, one, "1", time.Hour)), nil, false)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// TestHangupFetchesKeys: at SIGHUP keys at a URL are fetched at once, so that one that was withdrawn is good no more.
func TestHangupFetchesKeys(t *testing.T) {
	asked := make(chan struct{}, 8)
	issuer := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	t.Cleanup(issuer.Close)
	startBridge(t, func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"}, KeySet: issuer.URL, Refresh: time.Hour}}
	})
	<-asked // at the start
	hangUp(t)
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Error("the keys are not fetched")
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// TestAccessRules: what a device may do, with the client identifier that the broker gets, through the whole program.
func TestAccessRules(t *testing.T) {
	broker := doorBroker(t)
	r := startAccess(t, broker, func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"},
			Keys: []config.AccessKey{{File: writeFile(t, hmacSecret), Algorithm: "HS256"}}}}
		cfg.Access.Connect.ClientID = "{{subject}}-{{client_id}}"
		cfg.Access.Retain = false
		cfg.Access.Rules = []config.AccessRule{{Deny: "all", Topics: []string{"dev/+/secret"}}, {Allow: "all", Topics: []string{"dev/{{client_id}}/#"}}}
	})
	c := r.device(r.ws, bearer(jwtFor(t, jwt.SigningMethodHS256, []byte(hmacSecret), "", time.Hour)), nil, true)
	await := func(what string, token mqtt.Token) {
		t.Helper()
		if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatalf("%s: %v", what, token.Error())
		}
	}
	got := make(chan string, 8)
	sub := c.SubscribeMultiple(map[string]byte{"dev/dev-1-c-1/a": 1, "dev/+/a": 1, "#": 0}, func(_ mqtt.Client, m mqtt.Message) { got <- m.Topic() })
	sub.WaitTimeout(20 * time.Second)
	result := sub.(*mqtt.SubscribeToken).Result()
	if result["dev/dev-1-c-1/a"] != 1 || result["dev/+/a"] != 0x80 || result["#"] != 0x80 {
		t.Errorf("subscribed with %v", result)
	}
	for _, topic := range []string{"dev/other/a", "dev/dev-1-c-1/secret"} {
		await(topic, c.Publish(topic, 1, false, "x"))
		await(topic, c.Publish(topic, 2, false, "x"))
	}
	await("retained", c.Publish("dev/dev-1-c-1/a", 1, true, "x"))
	await("allowed", c.Publish("dev/dev-1-c-1/a", 2, false, "x"))
	if topic := <-got; topic != "dev/dev-1-c-1/a" {
		t.Errorf("got %s", topic)
	}
	if broker.Log.Count("Received PUBLISH from dev-1-c-1") != 1 {
		t.Errorf("the broker received:\n%s", broker.Log)
	}
}

// TestAccessExpiry: a session does not outlive its token.
func TestAccessExpiry(t *testing.T) {
	r := startAccess(t, doorBroker(t), func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"},
			Keys: []config.AccessKey{{File: writeFile(t, hmacSecret), Algorithm: "HS256"}}}}
	})
	lost := make(chan struct{})
	token := jwtFor(t, jwt.SigningMethodHS256, []byte(hmacSecret), "", 5*time.Second)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(r.ws).SetClientID("c-1").SetHTTPHeaders(bearer(token)).SetAutoReconnect(false).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) }))
	if connected := c.Connect(); !connected.WaitTimeout(20*time.Second) || connected.Error() != nil {
		t.Fatal(connected.Error())
	}
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Error("still connected, though the token has expired")
	}
}

package realclients

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/internal/certs"
)

// TestIdentities: every source of identities, shown by real libraries, brings a device through the bridge's own program to a
// Mosquitto that knows nothing but what the bridge makes of it; without a good proof nothing reaches the broker at all.
func TestIdentities(t *testing.T) {
	r := startIdentities(t, everySource, nil)
	t.Run("refused", r.refused)
	t.Run("not known to the broker", r.unknown)
	for _, library := range Libraries {
		if library.Slug == "paho-c" || library.Slug == "mqttjs-chromium" {
			continue // the first can set no header of its choice here, the second is a page: TestIdentityOfAPage
		}
		for _, version := range library.Versions {
			t.Run(fmt.Sprintf("%s-v%d", library.Slug, version), func(t *testing.T) {
				device := library.prepare(t, Target{})(t)
				for _, subject := range subjects {
					if subject == "subprotocol" && library.Slug != "mqttjs-node" {
						continue // only MQTT.js can offer another subprotocol
					}
					t.Run(subject, func(t *testing.T) {
						device.t = t
						c := r.proof(subject)
						if library.Slug == "paho-python" {
							c.Headers["Origin"] = ownPage // or it sends one of its own making
						}
						r.uses(t, device, c, subject, version)
					})
				}
			})
		}
	}
	t.Run("files change", r.filesChange)
	t.Run("revoked", r.revoked)
}

// uses connects a device with its proof, which exchanges messages as who the broker takes it for.
func (r *identities) uses(t *testing.T, device *Device, c Command, subject string, version int) {
	c.Version, c.Client = version, strings.NewReplacer("/", "-", ".", "-").Replace(t.Name())
	id := subject + "-" + c.Client
	device.must(c)
	r.broker.Log.WaitFor(t, patience, 1, " as "+id+" ", fmt.Sprintf("u'm-%s'", subject))
	device.Subscribe("own/"+id+"/#", 1)
	device.Publish(Message{Topic: "own/other/x", Payload: []byte("forbidden")})
	device.Publish(Message{Topic: "own/" + id + "/x", Payload: []byte(subject), QoS: 1})
	if m := device.Next(); m.Topic != "own/"+id+"/x" || string(m.Payload) != subject {
		t.Errorf("received %s %q", m.Topic, m.Payload)
	}
	r.broker.Log.WaitFor(t, patience, 1, "Denied PUBLISH from "+id)
	device.Disconnect()
}

// TestIdentityOfAPage: a page in a browser has no other place for its token than the list of subprotocols.
func TestIdentityOfAPage(t *testing.T) {
	r := startIdentities(t, subprotocolAlone, nil)
	start := chromium(t, Target{Leaf: r.bridge.Leaf})
	for _, version := range []int{mqtt311, mqtt5} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			c := r.proof("subprotocol")
			c.Headers = nil // a page can set none
			r.uses(t, start(t), c, "subprotocol", version)
			c = r.proof("subprotocol")
			c.Headers, c.Version, c.Client = nil, version, "refused"
			c.Subprotocols[0] += "x"
			if _, err := start(t).do(c); err == nil {
				t.Error("let in with a forged token")
			}
		})
	}
	if r.broker.Log.Count("refused") > 0 {
		t.Error("the broker heard of the forged token")
	}
}

// refused: a wrong proof is answered before the upgrade, and the broker hears nothing.
func (r *identities) refused(t *testing.T) {
	good := tokenOf(t, "bearer", signingKey)
	forged := tokenOf(t, "bearer", signingKey+"x")
	expired, elsewhere := claims("bearer"), claims("bearer")
	expired["exp"], elsewhere["aud"] = time.Now().Add(-time.Hour).Unix(), "http"
	hs256 := func(c jwt.MapClaims) string { return signed(t, jwt.SigningMethodHS256, []byte(signingKey), "", c) }
	basic := func(user, password string) [2]string {
		q := http.Request{Header: http.Header{}}
		q.SetBasicAuth(user, password)
		return [2]string{"Authorization", q.Header.Get("Authorization")}
	}
	r.proveAlive(t)
	before := r.broker.Log.Count("New connection from")
	for _, tt := range []struct {
		name    string
		query   string
		headers [][2]string
		service int
		want    int
	}{
		{name: "nothing", want: 401},
		{name: "bcrypt", headers: [][2]string{basic("bcrypt", "CANARY-wrong")}, want: 401},
		{name: "argon2", headers: [][2]string{basic("argon2", "CANARY-wrong")}, want: 401},
		{name: "no such user", headers: [][2]string{basic("CANARY", devicePassword)}, want: 401},
		{name: "another's password beside a good token", query: "?token=" + good, headers: [][2]string{basic("bcrypt", "CANARY")}, want: 401},
		{name: "bearer", headers: [][2]string{{"Authorization", "Bearer " + forged}}, want: 401},
		{name: "expired", headers: [][2]string{{"Authorization", "Bearer " + hs256(expired)}}, want: 401},
		{name: "another audience", headers: [][2]string{{"Authorization", "Bearer " + hs256(elsewhere)}}, want: 401},
		{name: "no algorithm", headers: [][2]string{{"Authorization", "Bearer " + signed(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "", claims("bearer"))}}, want: 401},
		{name: "cookie", headers: [][2]string{{"Cookie", "token=" + forged}, {"Origin", ownPage}}, want: 401},
		{name: "cookie without origin", headers: [][2]string{{"Cookie", "token=" + good}}, want: 401},
		{name: "cookie of another page", headers: [][2]string{{"Cookie", "token=" + good}, {"Origin", "https://evil.example"}}, want: 403},
		{name: "query", query: "?token=" + forged, want: 401},
		{name: "query twice", query: "?token=" + good + "&token=" + good, want: 401},
		{name: "subprotocol", headers: [][2]string{{"Sec-WebSocket-Protocol", "mqtt, bearer." + forged}}, want: 401},
		{name: "callback", headers: [][2]string{{"Cookie", "session=CANARY"}}, want: 401},
		{name: "callback forbids", headers: [][2]string{{"Cookie", "session=CANARY"}}, service: 403, want: 403},
		{name: "callback fails", headers: [][2]string{{"Cookie", "session=CANARY"}}, service: 500, want: 503},
		{name: "callback redirects", headers: [][2]string{{"Cookie", "session=CANARY"}}, service: 302, want: 503},
	} {
		r.service.Store(int32(max(tt.service, 401*(1-min(tt.service, 1)))))
		resp := r.handshake(t, r.bridge.WS+"/mqtt"+tt.query, nil, tt.headers)
		if challenge := resp.Header.Get("WWW-Authenticate"); resp.StatusCode != tt.want || (tt.want == 401) != strings.Contains(challenge, "Basic realm=") {
			t.Errorf("%s: %s, WWW-Authenticate %q, want %d", tt.name, resp.Status, challenge, tt.want)
		}
		if (tt.want == 503) != (resp.Header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After %q", tt.name, resp.Header.Get("Retry-After"))
		}
	}
	r.service.Store(401)
	r.wrongCertificate(t)
	r.proveAlive(t)
	if n := r.broker.Log.Count("New connection from"); n != before+1 {
		t.Errorf("the broker saw %d connections, want the one of the device that was let in:\n%s", n-before, r.broker.Log)
	}
}

// wrongCertificate is one of another authority, with which TLS itself fails.
func (r *identities) wrongCertificate(t *testing.T) {
	stranger := certs.New(t).Client(t, "certificate")
	cert, err := tls.LoadX509KeyPair(stranger.CertFile, stranger.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.bridge.Authority.Pool(), // whatever authorities the bridge names
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}}
	defer transport.CloseIdleConnections()
	if resp, err := transport.RoundTrip(r.request(t, r.bridge.WSS+"/mqtt", nil)); err == nil {
		resp.Body.Close()
		t.Errorf("a stranger's certificate: %s", resp.Status)
	}
	if resp := r.handshake(t, r.bridge.WSS+"/mqtt", r.bridge.Authority, nil); resp.StatusCode != 401 {
		t.Errorf("no certificate: %s", resp.Status)
	}
}

// request is a handshake with these headers. It offers the subprotocol of MQTT unless they say otherwise.
func (r *identities) request(t *testing.T, url string, headers [][2]string) *http.Request {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(url, "ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"},
		{"Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}, {"Sec-WebSocket-Protocol", "mqtt"}}
	for name, value := range r.from() {
		all = append(all, [2]string{name, value})
	}
	for _, h := range slices.Concat(all, headers) {
		q.Header.Set(h[0], h[1])
	}
	return q
}

// handshake makes one that is to be refused, and returns the answer without its body.
func (r *identities) handshake(t *testing.T, url string, ca *certs.Authority, headers [][2]string) *http.Response {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	if ca != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: ca.Pool()}
	}
	resp, err := transport.RoundTrip(r.request(t, url, headers))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		t.Errorf("let in with %v", headers)
		return resp
	}
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 1024 || bytes.Contains(body, []byte("CANARY")) {
		t.Errorf("answered with %q, %v", body, err)
	}
	return resp
}

// raw connects a device by hand, with a client identifier of its own. connack is the first bytes that it gets.
func (r *identities) raw(t *testing.T, headers http.Header, version int) (ws *websocket.Conn, connack []byte) {
	t.Helper()
	return r.rawTo(t, r.bridge.WS, nil, headers, version)
}

// rawTo is raw with a client of HTTP that shows a certificate.
func (r *identities) rawTo(t *testing.T, url string, client *http.Client, headers http.Header, version int) (ws *websocket.Conn, connack []byte) {
	t.Helper()
	for name, value := range r.from() {
		headers.Set(name, value)
	}
	ws, resp, err := websocket.Dial(t.Context(), url+"/mqtt", &websocket.DialOptions{
		HTTPClient: client, Subprotocols: []string{"mqtt"}, HTTPHeader: headers,
	})
	if err != nil {
		t.Fatalf("dial: %v, %+v", err, resp)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	connect := []byte{0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', byte(version), 2, 0, 60, 0, 6}
	if version == mqtt5 {
		connect = slices.Insert(connect, 12, 0)
		connect[1]++
	}
	connect = fmt.Appendf(connect, "%06d", r.address.Load())
	if err := ws.Write(t.Context(), websocket.MessageBinary, connect); err != nil {
		t.Fatal(err)
	}
	if _, connack, err = hear(t, ws); err != nil {
		t.Fatal(err)
	}
	return ws, connack
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// proveAlive brings a device through to the broker, which has then logged all that came before.
func (r *identities) proveAlive(t *testing.T) {
	t.Helper()
	ws, connack := r.raw(t, bearer(tokenOf(t, "bearer", signingKey)), mqtt311)
	if !bytes.Equal(connack, []byte{0x20, 2, 0, 0}) {
		t.Fatalf("CONNACK % x", connack)
	}
	r.broker.Log.WaitFor(t, patience, 1, fmt.Sprintf(" as bearer-%06d ", r.address.Load()))
	_ = ws.CloseNow()
}

// unknown: a device that proved who it is, but whom the broker does not know, hears the broker's own refusal.
func (r *identities) unknown(t *testing.T) {
	for version, want := range map[int][]byte{mqtt311: {0x20, 2, 0, 5}, mqtt5: {0x20, 3, 0, 0x87, 0}} {
		ws, connack := r.raw(t, bearer(tokenOf(t, "nobody", signingKey)), version)
		if !bytes.Equal(connack, want) {
			t.Errorf("MQTT %d: CONNACK % x, want % x", version, connack, want)
		}
		if _, _, err := hear(t, ws); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("MQTT %d: %v, want close 1008", version, err)
		}
	}
}

// filesChange: another key and another password count when their files have changed, with no signal to the bridge, and who is
// connected stays.
func (r *identities) filesChange(t *testing.T) {
	staying, _ := r.raw(t, bearer(tokenOf(t, "bearer", signingKey)), mqtt311)
	write(t, filepath.Join(r.dir, "key"), signingKey+"-2")
	write(t, filepath.Join(r.dir, "users"), "bcrypt:"+bcryptOf(t, devicePassword+"-2")+"\n")
	old := [][2]string{{"Authorization", "Bearer " + tokenOf(t, "bearer", signingKey)}}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); ; <-again.C {
		transport := &http.Transport{DisableKeepAlives: true}
		resp, err := transport.RoundTrip(r.request(t, r.bridge.WS+"/mqtt", old))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == 401 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the old key is good still: %s", resp.Status)
		}
	}
	if _, connack := r.raw(t, bearer(tokenOf(t, "bearer", signingKey+"-2")), mqtt5); connack[0] != 0x20 || connack[3] != 0 {
		t.Errorf("the new key: CONNACK % x", connack)
	}
	q := http.Request{Header: http.Header{}}
	q.SetBasicAuth("bcrypt", devicePassword)
	if resp := r.handshake(t, r.bridge.WS+"/mqtt", nil, [][2]string{{"Authorization", q.Header.Get("Authorization")}}); resp.StatusCode != 401 {
		t.Errorf("the old password: %s", resp.Status)
	}
	q.SetBasicAuth("bcrypt", devicePassword+"-2")
	if _, connack := r.raw(t, q.Header, mqtt311); !bytes.Equal(connack, []byte{0x20, 2, 0, 0}) {
		t.Errorf("the new password: CONNACK % x", connack)
	}
	r.answersPing(t, staying)
}

// revoked: a list that names the certificate of connected devices ends their sessions, and no others.
func (r *identities) revoked(t *testing.T) {
	online := func(pair certs.Pair, version int) *websocket.Conn {
		cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: r.bridge.Authority.Pool(), Certificates: []tls.Certificate{cert}}}
		t.Cleanup(transport.CloseIdleConnections)
		ws, connack := r.rawTo(t, r.bridge.WSS, &http.Client{Transport: transport}, http.Header{}, version)
		if connack[3] != 0 {
			t.Fatalf("CONNACK % x", connack)
		}
		return ws
	}
	bad := r.devices.Client(t, "certificate")
	good, old, modern := online(r.devices.Client(t, "certificate"), mqtt311), online(bad, mqtt311), online(bad, mqtt5)
	r.devices.CRL(t, time.Now().Add(time.Hour), bad)
	if _, b, err := hear(t, modern); err != nil || b[0] != 0xE0 || b[2] != 0x87 {
		t.Errorf("MQTT 5 hears % x, %v; want DISCONNECT 0x87", b, err)
	}
	for version, ws := range map[int]*websocket.Conn{mqtt311: old, mqtt5: modern} {
		if _, _, err := hear(t, ws); websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "certificate-revoked") {
			t.Errorf("MQTT %d: %v, want close 1008", version, err)
		}
	}
	r.answersPing(t, good)
}

// answersPing holds that a device is connected still.
func (r *identities) answersPing(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageBinary, []byte{0xC0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, b, err := hear(t, ws); err != nil || !bytes.Equal(b, []byte{0xD0, 0}) {
		t.Errorf("a device that was there hears % x, %v", b, err)
	}
}

// hear reads the next message of a device, or why there is none.
func hear(t *testing.T, ws *websocket.Conn) (websocket.MessageType, []byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return ws.Read(ctx)
}

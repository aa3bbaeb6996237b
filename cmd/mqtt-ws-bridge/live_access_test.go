package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
)

// configured is a program with a configuration file that the test changes.
type configured struct {
	*program
	t    *testing.T
	file string
}

func startConfigured(t *testing.T, text string) *configured {
	t.Helper()
	c := &configured{t: t, file: filepath.Join(t.TempDir(), "bridge.yaml")}
	c.write(text)
	c.program = start(t, "--config", c.file)
	return c
}

func (c *configured) write(text string) {
	c.t.Helper()
	if err := os.WriteFile(c.file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// reload has the program read another configuration, and fails the test unless exactly these keys take effect.
func (c *configured) reload(text, keys string) {
	c.t.Helper()
	c.write(text)
	if line := c.hangUp("configuration loaded"); fmt.Sprint(line["in_effect"]) != keys || line["after_restart"] != nil {
		c.t.Errorf("logged as %v, want %s", line, keys)
	}
}

// connect connects a device with a client library; lost is closed when its connection ends.
func (c *configured) connect(id string) (client mqtt.Client, lost chan struct{}) {
	c.t.Helper()
	lost = make(chan struct{})
	client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(c.device).SetClientID(id).SetAutoReconnect(false).
		SetConnectTimeout(20 * time.Second).SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) }))
	if token := client.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		c.t.Fatal(token.Error())
	}
	c.t.Cleanup(func() { client.Disconnect(100) })
	return client, lost
}

// TestReloadDeniedPublish: what a forbidden PUBLISH leads to changes for devices that connect after the reload.
func TestReloadDeniedPublish(t *testing.T) {
	const rules = "access:\n  rules: [{allow: all, topics: [ok/#]}]\n"
	c := startConfigured(t, rules)
	before, _ := c.connect("before")
	answered := func() {
		t.Helper()
		if token := before.Publish("no", 1, false, "x"); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Errorf("a forbidden message is not answered: %v", token.Error())
		}
	}
	answered()
	c.reload(rules+"  denied-publish: close\n  expiry-will: false\n", "[access.denied-publish access.expiry-will]")
	after, lost := c.connect("after")
	after.Publish("no", 1, false, "x")
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Error("a forbidden message does not end the session")
	}
	answered()
}

// status is the answer to a handshake with these header lines.
func (c *configured) status(lines string) string {
	c.t.Helper()
	nc, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(c.device, "ws://"), "/mqtt"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	answer := make([]byte, len("HTTP/1.1 101"))
	if _, err = io.WriteString(nc, upgradeHead+offer+lines+"\r\n"); err == nil {
		_, err = io.ReadFull(nc, answer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return string(answer[9:])
}

// TestReloadOrigins: sources that browsers use compare the origins of the reload (attack 34).
func TestReloadOrigins(t *testing.T) {
	key := writeFile(t, hmacSecret)
	text := func(origin string) string {
		return "browser-reasons: \"off\"\norigins: [" + origin + "]\naccess:\n  sources: [{type: token, in: cookie, name: s, issuer: i, audience: [mqtt], keys: [{file: " + key +
			", algorithm: HS256}]}]\n"
	}
	cookie := "Cookie: s=" + jwtFor(t, jwt.SigningMethodHS256, []byte(hmacSecret), "", time.Hour) + "\r\n"
	c := startConfigured(t, text("http://a"))
	from := func() string {
		return c.status(cookie+"Origin: http://a\r\n") + " " + c.status(cookie+"Origin: http://b\r\n")
	}
	if got := from(); got != "101 403" {
		t.Errorf("before: %s", got)
	}
	c.reload(text("http://b"), "[origins]")
	if got := from(); got != "403 101" {
		t.Errorf("after: %s", got)
	}
}

// TestReloadAbortedLeavesNothing: of a reload that is taken back, access control keeps nothing, and of one that is used only what it needs.
func TestReloadAbortedLeavesNothing(t *testing.T) {
	source := func(url string) []config.AccessSource {
		return []config.AccessSource{{Type: "callback", URL: url}, {Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"}, KeySet: url}}
	}
	cfg := config.Default()
	cfg.Access.Sources = source("http://127.0.0.1:1/a")
	k, err := newKeptAccess(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	before := k.current()
	next := *cfg
	next.Access.Sources = append(source("http://127.0.0.1:1/b"), cfg.Access.Sources...)
	var change current.Change
	if err := k.prepare(t.Context(), &change, &next); err != nil {
		t.Fatal(err)
	}
	change.Abort()
	if k.current() != before || len(before.remotes) != 1 || len(before.services) != 1 {
		t.Errorf("%d key sets and %d services are left", len(before.remotes), len(before.services))
	}
	next.Access.Sources = slices.Clone(cfg.Access.Sources) // another slice with the same values
	if err := k.prepare(t.Context(), &change, &next); err != nil {
		t.Fatal(err)
	}
	change.Commit()
	if after := k.current(); !maps.Equal(after.remotes, before.remotes) || !maps.Equal(after.services, before.services) {
		t.Error("what has not changed begins anew")
	}
}

// TestReloadSources: access appears, changes its sources and goes away, and who is connected stays.
func TestReloadSources(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("CANARY-pw"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer yes" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(service.Close)
	q := http.Request{Header: http.Header{}}
	q.SetBasicAuth("dev-1", "CANARY-pw")
	basic := "Authorization: " + q.Header.Get("Authorization") + "\r\n"
	const asked = "Authorization: Bearer yes\r\n"
	users := writeFile(t, "dev-1:"+string(hash))
	c := startConfigured(t, "{}\n")
	before, _ := c.connect("before")
	check := func(when, want string) {
		t.Helper()
		if got := c.status("") + " " + c.status(basic) + " " + c.status(asked); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		if token := before.Publish("t", 1, false, "x"); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Errorf("%s: the device that was there: %v", when, token.Error())
		}
	}
	check("without access", "101 101 101")
	c.reload("access:\n  sources: [{type: basic, file: "+users+"}]\n", "[access.sources]")
	check("with passwords", "401 101 401")
	c.reload("access:\n  sources: [{type: callback, url: \""+service.URL+"\"}]\n", "[access.sources]")
	check("with a callback", "401 401 101")
	c.reload("{}\n", "[access.sources]")
	check("without access again", "101 101 101")
}

// TestReloadKeySet: a key set that appears at a reload is fetched again and again, and one that disappears is not, nor has it a series.
func TestReloadKeySet(t *testing.T) {
	asked := make(chan struct{})
	issuer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(issuer.Close)
	fetched := func() {
		t.Helper()
		select {
		case <-asked:
		case <-time.After(20 * time.Second):
			t.Fatal("the keys are not fetched")
		}
	}
	p, _, log := startBridge(t, func(*config.Config) {})
	first := make(chan struct{})
	go func() { defer close(first); <-asked }() // while the reload is prepared
	reloads(t, p, log, func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"}, KeySet: issuer.URL}}
	})
	<-first
	fetched() // by what runs from now on
	const series = `mqtt_ws_bridge_access_source_up{source="0",type="token"} 0`
	if text := metricsOf(t, p); !strings.Contains(text, series) {
		t.Errorf("the metrics are\n%s", text)
	}
	reloads(t, p, log, func(cfg *config.Config) { cfg.Access.Sources = nil })
	if text := metricsOf(t, p); strings.Contains(text, "access_source_up{") || len(p.access.current().remotes) > 0 {
		t.Errorf("the source is still there; the metrics are\n%s", text)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

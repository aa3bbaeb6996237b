package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestHealthcheck: the command says how the running bridge is, and a file that was spoilt since does not matter.
func TestHealthcheck(t *testing.T) {
	p := start(t, "--upstream", "tcp://"+loopback.Address(t, loopback.Host()))
	check := func(args ...string) (int, string) {
		var out bytes.Buffer
		status := run(append([]string{"healthcheck"}, args...), nil, &out, &out)
		return status, out.String()
	}
	if status, said := check("--admin", p.admin); status != 0 || said != "ok\n" {
		t.Errorf("%d %s", status, said)
	}
	if status, said := check("--admin", p.admin, "--limits.sessions", "-5"); status != 0 {
		t.Errorf("with a bad file: %d %s", status, said)
	}
	if status, said := check("--admin", p.admin, "--ready"); status != 1 || !strings.Contains(said, "503 Service Unavailable: broker-down") {
		t.Errorf("%d %s", status, said)
	}
	if status, said := check("--admin", loopback.Address(t, loopback.Host())); status != 1 || !strings.Contains(said, "refused") {
		t.Errorf("nobody there: %d %s", status, said)
	}
	if status, said := check("--admin", "off"); status != 1 {
		t.Errorf("off: %d %s", status, said)
	}
}

// TestCheckOnline tries brokers that are there, that are not, and that are none, and a key set.
func TestCheckOnline(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }))
	defer web.Close()
	web1 := strings.TrimPrefix(web.URL, "http://")
	closed := loopback.Address(t, loopback.Host())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for args, want := range map[string]string{
		"--upstream tcp://" + broker.TCP:                                             "upstream.urls[0] tcp://" + broker.TCP + ": ok: CONNACK accepted\nok\n",
		"--upstream tcp://" + closed:                                                 "upstream.urls[0] tcp://" + closed + ": failed: dial tcp://" + closed + ": connect: connection refused: nothing listens there; start it, or correct the URL's host and port\n",
		"--upstream tcp://" + web1:                                                   "upstream.urls[0] tcp://" + web1 + ": failed: the answer to CONNECT is not CONNACK",
		"--upstream ws://" + web1 + "/?canary":                                       "upstream.urls[0] ws://" + web1 + "/: failed: dial ws://" + web1 + "/: open WebSocket: ",
		"--upstream tcp://" + l.Addr().String() + " --upstream.connack-timeout 50ms": "failed: await CONNACK: ",
		"--upstream tcp://" + closed + ",tcp://" + broker.TCP:                        "ok: CONNACK accepted\n",
	} {
		var out bytes.Buffer
		status := run(append([]string{"check-config", "--online"}, strings.Fields(args)...), nil, &out, &out)
		if !strings.Contains(out.String(), want) || (status == 0) != strings.HasSuffix(out.String(), "\nok\n") || strings.Contains(out.String(), "canary") {
			t.Errorf("%s: %d\n%swant %s", args, status, &out, want)
		}
	}
}

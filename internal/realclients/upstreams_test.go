package realclients

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestEveryUpstream: a real library reaches a real Mosquitto through the bridge's own program on every way there is to a broker, and
// where the broker or the bridge does not like the other's certificate a device gets 503 instead of a WebSocket.
func TestEveryUpstream(t *testing.T) {
	t.Parallel()
	broker := mosquitto.Start(t, mosquitto.Options{TLS: true, ClientCert: true, WebSocket: true, WSS: true, Unix: true})
	own := broker.Authority.Client(t, "the-bridge")
	trusts := []string{"--upstream.tls.ca", broker.Authority.File}
	shows := []string{"--upstream.tls.ca", broker.Authority.File, "--upstream.tls.cert", own.CertFile, "--upstream.tls.key", own.KeyFile}
	u := &upstreams{binary: bridgeproc.Build(t), broker: broker, start: goLibrary("paho.mqtt.golang")(t, Target{})}
	for name, c := range map[string]struct {
		url  string
		args []string
		down string // what the log says of the broker
	}{
		"tcp":                          {url: "tcp://" + broker.TCP},
		"unix":                         {url: "unix://" + broker.Unix},
		"ws":                           {url: "ws://" + broker.WebSocket + "/mqtt", args: []string{"--upstream.headers", "X-Made-Up=1"}},
		"ws, a wrong subprotocol":      {url: "ws://" + broker.WebSocket + "/mqtt", args: []string{"--upstream.subprotocol", "chat"}, down: "WebSocket"},
		"wss":                          {url: "wss://" + broker.WSS + "/mqtt", args: trusts},
		"wss, an unknown authority":    {url: "wss://" + broker.WSS + "/mqtt", down: "unknown authority"},
		"tls":                          {url: "tls://" + broker.TLS, args: slices.Concat(shows, []string{"--upstream.tls.min-version", "1.3"})},
		"tls, no certificate to show":  {url: "tls://" + broker.TLS, args: trusts, down: "certificate required"},
		"tls, another name":            {url: "tls://" + broker.TLS, args: slices.Concat(shows, []string{"--upstream.tls.server-name", "other.test"}), down: "other.test"},
		"mqtts, the name of the leaf":  {url: "mqtts://" + broker.TLS, args: slices.Concat(shows, []string{"--upstream.tls.server-name", hostOf(broker.TLS)})},
		"tls, a stranger's authority":  {url: "tls://" + broker.TLS, args: shows[2:], down: "unknown authority"},
		"tls, a listener without":      {url: "tls://" + broker.TCP, args: trusts, down: "dial tls://"},
		"unix, nobody listens":         {url: "unix://" + broker.Unix + "x", down: "no such file"},
		"tls, the first of two serves": {url: "tls://" + broker.TLS, args: slices.Concat(shows, []string{"--upstream", "tcp://127.0.0.1:1"})},
	} {
		t.Run(name, func(t *testing.T) {
			if c.down == "" {
				u.serves(t, c.url, c.args)
			} else {
				u.refuses(t, c.url, c.args, c.down)
			}
		})
	}
}

func hostOf(address string) string { return address[:strings.LastIndex(address, ":")] }

type upstreams struct {
	binary string
	broker *mosquitto.Broker
	start  func(testing.TB) *Device
	count  int
}

// serves sends a message to the broker and back, and sees that the broker got it.
func (u *upstreams) serves(t *testing.T, url string, args []string) {
	bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: u.binary, Upstream: url, Args: args})
	u.count++
	id, payload := fmt.Sprint("upstream-", u.count), bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	d := u.start(t)
	d.must(Command{Do: "connect", URL: bridge.WS + "/mqtt", Client: id, Version: mqtt311, Clean: true, Keepalive: 60})
	d.Subscribe(id, 2)
	d.Publish(Message{Topic: id, Payload: payload, QoS: 2})
	if m := d.Next(); m.Topic != id || m.QoS != 2 || !bytes.Equal(m.Payload, payload) {
		t.Errorf("received %d bytes on %s with QoS %d", len(m.Payload), m.Topic, m.QoS)
	}
	u.broker.Log.WaitFor(t, patience, 1, "Received PUBLISH from "+id)
	d.Disconnect()
	u.broker.Log.WaitFor(t, patience, 1, "Received DISCONNECT from "+id)
}

// refuses sees that no device gets a WebSocket, and why the log says so.
func (u *upstreams) refuses(t *testing.T, url string, args []string, why string) {
	bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: u.binary, Upstream: url, Args: args, Unready: true})
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	// Mosquitto may be too busy to hang up on the first probe in time.
	for deadline := time.After(patience); ; {
		resp := handshake(t, bridge.WS+"/mqtt")
		if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") != "" && strings.Contains(bridge.Said(), why) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s, Retry-After %q, and the log does not say %q", resp.Status, resp.Header.Get("Retry-After"), why)
		}
	}
}

// handshake asks for a WebSocket, and gives it up again if there is one.
func handshake(t *testing.T, url string) *http.Response {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(url, "ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mqtt"} {
		q.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

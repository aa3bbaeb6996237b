package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
)

// from is a dialer at an address of this machine.
func from(host string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}, Timeout: 20 * time.Second}
}

// crowd opens connections from one address that say this and then nothing. They stay as long as the test, or as long as the program
// lets them.
func crowd(t *testing.T, host, address, says string, n int) {
	t.Helper()
	for range n {
		nc, err := from(host).Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		_, _ = io.WriteString(nc, says) // one that was dropped at once is as good
	}
}

// serves connects a device from an address, behind a PROXY header if there is one, and has the bridge echo a message.
func serves(t *testing.T, url, host, id, proxyHeader string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := from(host).DialContext(ctx, network, address)
			if err == nil {
				_, err = io.WriteString(nc, proxyHeader)
			}
			return nc, err
		},
	}
	ws, answer, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{"mqtt"}, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatalf("a device from %s gets %v, %v", host, answer, err)
	}
	defer ws.CloseNow()
	for _, step := range []struct{ says, hears string }{
		{"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01" + id, "\x20\x02\x00\x00"},
		{"\x82\x06\x00\x01\x00\x01e\x00", "\x90\x03\x00\x01\x00"},
		{"\x30\x05\x00\x01ehi", "\x30\x05\x00\x01ehi"},
	} {
		if err := ws.Write(ctx, websocket.MessageBinary, []byte(step.says)); err != nil {
			t.Fatal(err)
		}
		if _, b, err := ws.Read(ctx); err != nil || string(b) != step.hears {
			t.Fatalf("a device from %s hears % x and %v, want % x", host, b, err, step.hears)
		}
	}
}

// TestAttack33_one_address: connections that say nothing, or half of what they should, do not keep devices of other addresses from being
// served. The time for a handshake is so long here that only the limit on handshakes can help.
func TestAttack33_one_address(t *testing.T) {
	const handshakes, attackers, devices = "32", 150, 8
	own := certs.New(t).Server(t, "127.0.0.1")
	secure := []string{"--tls.cert", own.CertFile, "--tls.key", own.KeyFile}
	proxied := []string{"--addresses.proxy-protocol", "127.0.0.2", "--addresses.proxy-protocol", "127.0.0.4"}
	for _, c := range []struct {
		name, scheme string
		args         []string
		says         string // by each of the attackers
		proxyHeader  string // of the devices from 127.0.0.4, if there are some
	}{
		{"ws silence", "ws", nil, "", ""},
		{"ws half a request", "ws", nil, upgradeHead, ""},
		{"ws silence without event loops", "ws", []string{"--event-loops", "off"}, "", ""},
		{"wss silence", "wss", secure, "", ""},
		{"wss silence without event loops", "wss", append(secure, "--event-loops", "off"), "", ""},
		{"wss half a handshake", "wss", secure, "\x16\x03\x01\x02\x00\x01\x00", ""},
		{"half a PROXY header", "ws", proxied, "PRO", "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"},
		{"a PROXY header and silence", "ws", proxied, "PROXY TCP4 192.0.2.1 192.0.2.8 1 2\r\n", "PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n"},
		{"few for each address", "ws", []string{"--quotas.address.connections", "5"}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			device, admin := loopback.Address(t, loopback.Host()), loopback.Address(t, loopback.Host())
			p := command(t, append([]string{"--listen", c.scheme + "://" + device, "--admin", admin, "--embedded.listen", "off",
				"--log.format", "json", "--limits.handshakes", handshakes, "--limits.handshake-timeout", "10m"}, c.args...)...)
			p.device, p.admin = c.scheme+"://"+device+"/mqtt", admin
			p.wait("serving")
			serves(t, p.device, "127.0.0.3", "-", "")
			crowd(t, "127.0.0.2", device, c.says, attackers)
			for i := range devices {
				serves(t, p.device, "127.0.0.3", string(rune('a'+i)), "")
				if c.proxyHeader != "" {
					serves(t, p.device, "127.0.0.4", string(rune('A'+i)), c.proxyHeader)
				}
			}
			reason := "handshakes-full"
			if strings.HasPrefix(c.name, "few") {
				reason = "address-connections"
			}
			if n := p.metric(`refusals_total{reason="` + reason + `"}`); n < 1 {
				t.Errorf("%v connections were dropped for %s", n, reason)
			}
			line := p.wait("device refused")
			if peer, _ := line["device"].(string); line["reason"] != reason || line["level"] != "WARN" ||
				!strings.HasPrefix(peer, "127.0.0.2:") && !strings.HasPrefix(peer, "192.0.2.1:") {
				t.Errorf("logged is %v", line)
			}
		})
	}
}

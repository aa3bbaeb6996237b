package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
)

// foreigner is a peer that does something else than a device should before there is a whole request.
type foreigner struct {
	name   string
	does   func(t *testing.T, nc net.Conn) (heard string) // what the peer hears, or the error that its TLS reports
	reason string
	fact   string // part of the log's error
	hears  string // part of what is heard
}

// says writes this and returns all that comes until the end.
func says(what string) func(*testing.T, net.Conn) string {
	return func(t *testing.T, nc net.Conn) string {
		send(t, nc, what)
		got, err := io.ReadAll(nc)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		return string(got)
	}
}

// saysAndLeaves is the same for a peer that ends its direction.
func saysAndLeaves(what string) func(*testing.T, net.Conn) string {
	return func(t *testing.T, nc net.Conn) string {
		send(t, nc, what)
		_ = nc.(*net.TCPConn).CloseWrite()
		got, _ := io.ReadAll(nc)
		return string(got)
	}
}

// shakes makes a TLS handshake, says something and returns the error that the peer's TLS reports, or what it hears.
func shakes(config *tls.Config, what string) func(*testing.T, net.Conn) string {
	return func(t *testing.T, nc net.Conn) string {
		tc := tls.Client(nc, config)
		if err := tc.Handshake(); err != nil {
			_ = nc.Close()
			return err.Error()
		}
		_, _ = io.WriteString(tc, what)
		got, err := io.ReadAll(tc) // in TLS 1.3 the client is done before the server has looked at its certificate
		if err != nil {
			return err.Error()
		}
		return string(got)
	}
}

// tellsOf has each do what it does and sees that the operator and the peer are told.
func tellsOf(t *testing.T, p *process, log *logged, peers []foreigner) {
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			log.reset()
			before := counted(t, p, peer.reason)
			nc := dialDevices(t, p)
			heard := peer.does(t, nc)
			if !strings.Contains(heard, peer.hears) || peer.hears == "" && heard != "" {
				t.Errorf("the peer hears %q, want %q", heard, peer.hears)
			}
			message := "device refused"
			if peer.reason == "no-request" || peer.reason == "request-incomplete" {
				message = "device left before it was accepted"
			}
			line := log.await(t, message, peer.reason)
			if fact, _ := line["error"].(string); !strings.Contains(fact, peer.fact) || line["device"] != nc.LocalAddr().String() {
				t.Errorf("logged is %v, want %q", line, peer.fact)
			}
			if n := counted(t, p, peer.reason) - before; n != 1 {
				t.Errorf("it is counted %v times", n)
			}
		})
	}
}

// counted returns how often a reason was counted.
func counted(t *testing.T, p *process, reason string) (n float64) {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); name != "mqtt_ws_bridge_refusals_total" && name != "mqtt_ws_bridge_abandoned_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if labeled(m, reason) {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

func labeled(m *dto.Metric, reason string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == "reason" && l.GetValue() == reason {
			return true
		}
	}
	return false
}

const (
	connect31 = "\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x00\x00\x01a"
	connect5  = "\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01a"
	// connect5Small takes no packet above 20 bytes.
	connect5Small = "\x10\x13\x00\x04MQTT\x05\x02\x00\x00\x05\x27\x00\x00\x00\x14\x00\x01a"
)

// TestListenerTells: whatever goes wrong before there is a request has its reason in a counter and a line that names the fact, and the peer
// hears of it in the language that it speaks.
func TestListenerTells(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) { cfg.Limits.HeaderSize, cfg.Log.Rate = 512, 0 })
	request := upgradeHead + offer + "\r\n"
	tooLarge := "GET /mqtt HTTP/1.1\r\nHost: b\r\nX: " + strings.Repeat("x", 512)
	tellsOf(t, p, log, []foreigner{
		{"MQTT 3.1.1", says(connectPacket), "mqtt-without-websocket", `MQTT 3.1.1, client identifier "a"`, "\x20\x02\x00\x03"},
		{"MQTT 3.1", says(connect31), "mqtt-without-websocket", "MQTT 3.1,", "\x20\x02\x00\x03"},
		{"MQTT 5", says(connect5), "mqtt-without-websocket", "MQTT 5", "mqtt-without-websocket: this port takes MQTT over WebSocket only"},
		{"MQTT 5 that takes 20 bytes", says(connect5Small), "mqtt-without-websocket", "MQTT 5", "\x20\x03\x00\x83\x00"},
		{"MQTT in two parts", func(t *testing.T, nc net.Conn) string {
			send(t, nc, connectPacket[:1])
			return says(connectPacket[1:])(t, nc)
		}, "mqtt-without-websocket", "MQTT 3.1.1", "\x20\x02\x00\x03"},
		{"half a CONNECT", saysAndLeaves(connect5[:12]), "mqtt-without-websocket", "MQTT 5", "\x20\x03\x00\x83\x00"},
		{"no CONNECT at all", saysAndLeaves("\x10\x03abc"), "mqtt-without-websocket", "no CONNECT", ""},
		{"TLS", shakes(&tls.Config{InsecureSkipVerify: true}, ""), "tls-on-plain-port", "", "handshake failure"},
		{"no host", says("GET /mqtt HTTP/1.1\r\n\r\n"), "bad-request", "missing required Host header",
			"bad-request: the request is not HTTP/1.1 (RFC 9112): missing required Host header"},
		{"no HTTP", says("SSH-2.0-x\r\n\r\n"), "bad-request", "", "HTTP/1.1 400 Bad Request"},
		{"HTTP/3.0", says("GET /mqtt HTTP/3.0\r\nHost: b\r\n\r\n"), "bad-request", "unsupported protocol version", "HTTP/1.1 505 "},
		{"transfer coding", says("GET / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: x\r\n\r\n"), "bad-request", "Not Implemented", "HTTP/1.1 501 "},
		{"expectation", says("GET / HTTP/1.1\r\nHost: b\r\nExpect: x\r\n\r\n"), "bad-request", "Expectation Failed", "HTTP/1.1 417 "},
		{"HTTP/2", says("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "http-version", "", "HTTP/1.1 426 "},
		{"too large", says(tooLarge), "request-too-large", "more than 512 bytes", "request-too-large: the request is larger than allowed (limits.header-size)"},
		{"too large by one", says(pad(request, 513)), "request-too-large", "more than 512 bytes", "HTTP/1.1 431 "},
		{"half a request", saysAndLeaves(upgradeHead), "request-incomplete", fmt.Sprint(len(upgradeHead), " bytes"), ""},
		{"nothing", saysAndLeaves(""), "no-request", "", ""},
	})
	nc := dialDevices(t, p)
	send(t, nc, pad(request, 512)+framed(connectPacket)+strings.Repeat("x", 600)) // what follows does not count
	receive(t, nc, "HTTP/1.1 101 ")
}

// pad makes a request that large.
func pad(request string, size int) string {
	head := strings.TrimSuffix(request, "\r\n")
	return head + "X: " + strings.Repeat("x", size-len(request)-len("X: \r\n")) + "\r\n\r\n"
}

// TestListenerTellsOfTLS is the same at a listener with TLS that asks for client certificates.
func TestListenerTellsOfTLS(t *testing.T) {
	p, _, log, ca, _ := secured(t, func(cfg *config.Config) { cfg.Log.Rate = 0 })
	certificate := func(pair certs.Pair) *tls.Config {
		cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		return &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1",
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }}
	}
	good := ca.Client(t, "pump-7")
	with := func(change func(*tls.Config)) *tls.Config {
		c := certificate(good)
		change(c)
		return c
	}
	tellsOf(t, p, log, []foreigner{
		{"HTTP", says(upgradeHead + offer + "\r\n"), "plain-http-on-tls-port", "", "plain-http-on-tls-port: this port speaks TLS; connect with wss://"},
		{"MQTT", says(connectPacket), "mqtt-on-tls-port", "MQTT 3.1.1", "\x20\x02\x00\x03"},
		{"MQTT 5", says(connect5), "mqtt-on-tls-port", "MQTT 5", "mqtt-on-tls-port: "},
		{"neither", says("\x00\x01\x02"), "tls-handshake", "byte 0x00", ""},
		{"MQTT in TLS", shakes(certificate(good), connect5), "mqtt-without-websocket", "MQTT 5", "mqtt-without-websocket: "},
		{"no host", shakes(certificate(good), "GET / HTTP/1.1\r\n\r\n"), "bad-request", "missing required Host header", "bad-request: "},
		{"no certificate", shakes(&tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"}, upgradeHead), "client-certificate",
			"didn't provide a certificate", "certificate required"},
		{"no certificate with TLS 1.2", shakes(&tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12}, upgradeHead),
			"client-certificate", "didn't provide a certificate", "remote error: tls"},
		{"certificate of another authority", shakes(certificate(certs.New(t).Client(t, "x")), upgradeHead), "client-certificate", "unknown authority", "remote error: tls"},
		{"expired certificate", shakes(certificate(ca.Expired(t, "old")), upgradeHead), "client-certificate", "expired", "remote error: tls"},
		{"TLS 1.1", shakes(with(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), ""), "tls-handshake",
			"unsupported versions", "protocol version"},
		{"no common cipher", shakes(with(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}), ""), "tls-handshake", "no cipher suite", "handshake failure"},
		{"ALPN", shakes(with(func(c *tls.Config) { c.NextProtos = []string{"mqtt"} }), ""), "tls-handshake", `"mqtt"`, "no application protocol"},
		{"no trust", shakes(with(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }), ""), "tls-handshake", "bad certificate", "unknown authority"},
		{"half a handshake", saysAndLeaves("\x16\x03\x01\x02\x00\x01\x00"), "tls-handshake", "closed in the middle", ""},
		{"nothing", saysAndLeaves(""), "no-request", "", ""},
		{"nothing in TLS", func(t *testing.T, nc net.Conn) string {
			tc := tls.Client(nc, certificate(good))
			if err := tc.Handshake(); err != nil {
				t.Error(err)
			}
			_ = tc.Close()
			return ""
		}, "no-request", "after the TLS handshake", ""},
	})
}

// TestListenerTellsOfTimeouts: so does a handshake that takes too long, whichever part of it.
func TestListenerTellsOfTimeouts(t *testing.T) {
	short := func(cfg *config.Config) { cfg.Limits.HandshakeTimeout = 300 * time.Millisecond }
	p, _, log := startBridge(t, short)
	tellsOf(t, p, log, []foreigner{
		{"silence", says(""), "handshake-timeout", "not a byte", ""},
		{"half a request", says(upgradeHead), "handshake-timeout", fmt.Sprint(len(upgradeHead), " bytes"), "HTTP/1.1 408 Request Timeout"},
		{"half a CONNECT", says(connectPacket[:13]), "mqtt-without-websocket", "MQTT 3.1.1", "\x20\x02\x00\x03"},
	})
	p, _, log, _, _ = secured(t, short)
	tellsOf(t, p, log, []foreigner{
		{"silence before TLS", says(""), "handshake-timeout", "not a byte", ""},
		{"half a TLS handshake", says("\x16\x03\x01\x02\x00\x01\x00"), "handshake-timeout", "TLS handshake", ""},
	})
}

// TestListenerTellsRealClients: people see the reason in what they tried it with.
func TestListenerTellsRealClients(t *testing.T) {
	install.Debian(t, "mosquitto-clients", "curl", "openssl")
	plain, _, plainLog := startBridge(t, func(*config.Config) {})
	secure, _, secureLog, ca, _ := secured(t, func(cfg *config.Config) { cfg.TLS.ClientAuth = "request" })
	port := func(p *process) string {
		_, port, _ := net.SplitHostPort(p.deviceListeners[0].Addr().String())
		return port
	}
	for _, c := range []struct {
		log    *logged
		reason string
		says   string // part of what the client prints
		run    []string
	}{
		{plainLog, "mqtt-without-websocket", "Connection Refused: broker unavailable",
			[]string{"mosquitto_pub", "-h", "127.0.0.1", "-p", port(plain), "-t", "t", "-m", "m"}},
		{plainLog, "mqtt-without-websocket", "Implementation specific error",
			[]string{"mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", port(plain), "-t", "t", "-m", "m"}},
		{plainLog, "tls-on-plain-port", "handshake failure", []string{"openssl", "s_client", "-connect", "127.0.0.1:" + port(plain)}},
		{secureLog, "plain-http-on-tls-port", "connect with wss://", []string{"curl", "-sS", "http://127.0.0.1:" + port(secure) + "/mqtt"}},
		{secureLog, "mqtt-on-tls-port", "Connection Refused: broker unavailable",
			[]string{"mosquitto_pub", "-h", "127.0.0.1", "-p", port(secure), "-t", "t", "-m", "m"}},
		{secureLog, "mqtt-without-websocket", "Connection Refused: broker unavailable",
			[]string{"mosquitto_pub", "--cafile", ca.File, "-h", "127.0.0.1", "-p", port(secure), "-t", "t", "-m", "m"}},
		{secureLog, "tls-handshake", "protocol version",
			[]string{"openssl", "s_client", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-connect", "127.0.0.1:" + port(secure)}},
	} {
		t.Run(c.reason+" "+c.run[0], func(t *testing.T) {
			c.log.reset()
			cmd := exec.CommandContext(t.Context(), c.run[0], c.run[1:]...)
			out, _ := cmd.CombinedOutput() // most of them fail, as they should
			if !strings.Contains(string(out), c.says) {
				t.Errorf("it says %q, want %q", out, c.says)
			}
			c.log.await(t, "device refused", c.reason)
		})
	}
}

// TestListenerTellsOfNoTrust: clients that do not take the bridge's certificate say so in different ways, and some by a close alone.
func TestListenerTellsOfNoTrust(t *testing.T) {
	install.Debian(t, "curl", "openssl")
	p, _, log, ca, _ := secured(t, func(cfg *config.Config) { cfg.TLS.ClientAuth = "request" })
	address := p.deviceListeners[0].Addr().String()
	elsewhere := certs.New(t).File
	for _, c := range []struct {
		message, reason, fact string
		run                   []string
	}{
		{"device refused", "tls-handshake", "remote error: tls: unknown certificate authority",
			[]string{"openssl", "s_client", "-verify_return_error", "-CAfile", elsewhere, "-connect", address}},
		{"device refused", "tls-handshake", "remote error: tls: unknown certificate authority",
			[]string{"openssl", "s_client", "-tls1_2", "-verify_return_error", "-CAfile", elsewhere, "-connect", address}},
		{"device left before it was accepted", "no-request", "it may not accept the certificate or its name",
			[]string{"curl", "-sS", "--cacert", ca.File, "--connect-to", "other.example::" + address, "https://other.example/mqtt"}},
	} {
		log.reset()
		if out, err := exec.CommandContext(t.Context(), c.run[0], c.run[1:]...).CombinedOutput(); err == nil {
			t.Errorf("%v succeeds: %s", c.run, out)
		}
		if line := log.await(t, c.message, c.reason); !strings.Contains(fmt.Sprint(line["error"]), c.fact) {
			t.Errorf("%v: the log says %v, want %q", c.run, line, c.fact)
		}
	}
}

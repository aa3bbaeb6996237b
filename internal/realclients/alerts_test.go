package realclients

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestAlertsInTroubleshootingPage: each TLS alert that a device gets from the bridge has its row in the page for firmware people.
func TestAlertsInTroubleshootingPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(troublePage)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(string(page), "\n## TLS does not come about\n")
	rows, _, _ = strings.Cut(rows, "\n## ")
	devices, strangers := certs.New(t), certs.New(t)
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: bridgeproc.Build(t), Upstream: "tcp://" + broker.TCP, TLS: true,
		Args: []string{"--tls.client-auth", "require", "--tls.client-ca", devices.File}})
	good, stranger := pair(t, devices.Client(t, "device")), pair(t, strangers.Client(t, "device"))
	for name, c := range map[string]struct {
		alert  tls.AlertError // 0: none
		change func(*tls.Config)
	}{
		"no certificate":           {116, func(c *tls.Config) { c.Certificates = nil }},
		"no certificate, TLS 1.2":  {40, func(c *tls.Config) { c.Certificates, c.MaxVersion = nil, tls.VersionTLS12 }},
		"a stranger's certificate": {48, func(c *tls.Config) { c.Certificates = []tls.Certificate{stranger} }},
		"TLS 1.1":                  {70, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }},
		"no common cipher": {40, func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		}},
		"another protocol by ALPN":   {120, func(c *tls.Config) { c.NextProtos = []string{"mqtt"} }},
		"nothing wrong, to tell by":  {0, func(*tls.Config) {}},
		"nothing wrong, in TLS 1.2 ": {0, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
	} {
		t.Run(name, func(t *testing.T) {
			config := &tls.Config{RootCAs: bridge.Authority.Pool(), MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{good}}
			c.change(config)
			err := shake(strings.TrimPrefix(bridge.WSS, "wss://"), config)
			if c.alert == 0 && err != nil || c.alert != 0 && (err == nil || err.Error() != "remote error: "+c.alert.Error()) {
				t.Errorf("%v, want alert %d (%v)", err, c.alert, c.alert)
			}
			if c.alert != 0 && !strings.Contains(rows, fmt.Sprintf("(%d)", c.alert)) {
				t.Errorf("%s has no row for alert %d", troublePage, c.alert)
			}
		})
	}
}

func pair(t *testing.T, p certs.Pair) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// shake does the handshake and asks for something, since in TLS 1.3 the answer to a certificate comes behind the handshake.
func shake(address string, config *tls.Config) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", address, config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

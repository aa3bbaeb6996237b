//go:build linux

package attacks

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// tlsTo asks for a name and takes any certificate.
func tlsTo(name string) *tls.Config { return &tls.Config{ServerName: name, InsecureSkipVerify: true} }

// handshakeFails wants no TLS, at the latest when the first byte is read: a client of TLS 1.3 is told late.
func (d *device) handshakeFails() {
	d.t.Helper()
	tc := d.Conn.(*tls.Conn)
	err := tc.Handshake()
	if err == nil {
		_, err = d.say(goodHello).r.ReadByte()
	}
	if err == nil || isTimeout(err) {
		d.t.Errorf("the TLS handshake ends with %v, want it to be refused", err)
	}
}

// secure speaks TLS with the bridge.
func (d *device) secure(config *tls.Config) *device {
	d.t.Helper()
	return over(d.t, tls.Client(d.Conn, config))
}

func pair(t testing.TB, p certs.Pair) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestAttack46_tls: old versions, and certificates that are none for this.
func TestAttack46_tls(t *testing.T) {
	k, g := guardedly(t)
	host, _, _ := net.SplitHostPort(strings.TrimPrefix(k.bridge.WSS, "wss://"))
	config := func(change func(*tls.Config)) *tls.Config {
		c := &tls.Config{RootCAs: k.bridge.Authority.Pool(), ServerName: host, Certificates: []tls.Certificate{pair(t, g.devices.Client(t, "pump"))}}
		change(c)
		return c
	}
	for name, c := range map[string]*tls.Config{
		"TLS 1.1":                  config(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }),
		"TLS 1.0":                  config(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }),
		"no certificate":           config(func(c *tls.Config) { c.Certificates = nil }),
		"no certificate, TLS 1.2":  config(func(c *tls.Config) { c.Certificates, c.MaxVersion = nil, tls.VersionTLS12 }),
		"a stranger's certificate": config(func(c *tls.Config) { c.Certificates = []tls.Certificate{pair(t, certs.New(t).Client(t, "pump"))} }),
		"a certificate for servers": config(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{pair(t, g.devices.Server(t, "pump"))}
		}),
		"another name, no certificate": config(func(c *tls.Config) {
			c.ServerName, c.InsecureSkipVerify, c.Certificates = "other.example", true, nil
		}),
		"RC4 and 3DES only": config(func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA}
		}),
	} {
		t.Run(name, func(t *testing.T) { reach(t, k.bridge.WSS).secure(c).handshakeFails() })
	}
	known := with(authorization(basic("pump", pumpPassword)))
	for _, most := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		d := reach(t, k.bridge.WSS).secure(config(func(c *tls.Config) { c.MaxVersion = most }))
		d.upgraded(known).join(hello{version: 4, id: "pump"}).alive()
	}
}

// TestAttack46_resumption: who was let in by authorities that have changed does not come back with a ticket.
func TestAttack46_resumption(t *testing.T) {
	k, g := guardedly(t)
	before, err := os.ReadFile(g.clientCA)
	if err != nil {
		t.Fatal(err)
	}
	mine := pair(t, g.devices.Client(t, "pump"))
	known := with(authorization(basic("pump", pumpPassword)))
	// comes reports whether a device gets in, and with a ticket from before.
	comes := func(cache tls.ClientSessionCache) (in, resumed bool) {
		config := tlsTo("")
		config.Certificates, config.ClientSessionCache = []tls.Certificate{mine}, cache
		d := reach(t, k.bridge.WSS).secure(config)
		status, err := http.ReadResponse(d.say(known).r, nil) // with which the tickets of TLS 1.3 come
		return err == nil && status.StatusCode == 101, d.Conn.(*tls.Conn).ConnectionState().DidResume
	}
	// changed writes the file of authorities and waits until it counts.
	changed := func(authorities string, in bool) {
		t.Helper()
		writeFile(t, "", g.clientCA, authorities)
		k.bridge.Signal(syscall.SIGHUP)
		if !eventually(func() bool { now, _ := comes(nil); return now == in }) {
			t.Fatal("the other authorities do not count")
		}
	}
	tickets := tls.NewLRUClientSessionCache(1)
	comes(tickets)
	if in, resumed := comes(tickets); !in || !resumed {
		t.Fatal("sessions are not resumed, which this test needs")
	}
	other, err := os.ReadFile(certs.New(t).File)
	if err != nil {
		t.Fatal(err)
	}
	changed(string(other), false)
	if in, _ := comes(tickets); in {
		t.Error("a ticket of the time before gets in")
	}
	changed(string(before), true)
}

// TestAttack47_upstream_tls: a broker with another host's certificate, or of another authority, gets no device.
func TestAttack47_upstream_tls(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{TLS: true})
	for name, args := range map[string][]string{
		"another_host":       {"--upstream.tls.ca", broker.Authority.File, "--upstream.tls.server-name", "broker.example"},
		"another_authority":  {"--upstream.tls.ca", certs.New(t).File},
		"system_authorities": nil,
	} {
		t.Run(name, func(t *testing.T) {
			bridge := bridgeproc.Start(t, bridgeproc.Options{
				Binary: program(t), Upstream: "tls://" + broker.TLS, Args: args, Unready: true,
			})
			d := reach(t, bridge.WS).say(goodHello)
			status, header := d.refusal()
			if status != 503 || header.Get("Retry-After") == "" {
				t.Errorf("the device is answered with %d %v", status, header)
			}
			if !strings.Contains(bridge.Said(), "certificate") {
				t.Errorf("the log does not tell of the certificate:\n%s", bridge.Said())
			}
		})
	}
	if n := broker.Log.Count("New client connected"); n != 0 {
		t.Errorf("%d clients are connected", n)
	}
}

package main

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
)

// secured is a bridge that asks for certificates, its authority, and its own certificate.
func secured(t *testing.T, change func(*config.Config)) (p *process, brokers chan net.Conn, log *logged, ca *certs.Authority, own certs.Pair) {
	ca = certs.New(t)
	own = ca.Server(t, "127.0.0.1")
	p, brokers, log = startBridge(t, func(cfg *config.Config) {
		cfg.Listen = []string{"wss://127.0.0.1:0"}
		cfg.TLS.Cert, cfg.TLS.Key = own.CertFile, own.KeyFile
		cfg.TLS.ClientCA, cfg.TLS.ClientAuth = ca.File, "require"
		change(cfg)
	})
	return p, brokers, log, ca, own
}

// shake dials the bridge over TLS with a certificate.
func shake(t *testing.T, p *process, ca *certs.Authority, own certs.Pair) *tls.Conn {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(own.CertFile, own.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	tc := tls.Client(dialDevices(t, p), &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{cert}})
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	return tc
}

// TestReloadKeepsDevices: after SIGHUP new devices see the new certificate, and those that are there stay; broken files change
// nothing and are told of.
func TestReloadKeepsDevices(t *testing.T) {
	p, brokers, log, ca, own := secured(t, func(*config.Config) {})
	pump := ca.Client(t, "pump-7")
	device := shake(t, p, ca, pump)
	send(t, device, upgradeHead+offer+"\r\n"+framed(connectPacket))
	broker := <-brokers
	defer broker.Close()
	receive(t, broker, connectPacket)

	next := ca.Server(t, "127.0.0.1")
	for _, file := range [][2]string{{next.CertFile, own.CertFile}, {next.KeyFile, own.KeyFile}} {
		if err := os.Rename(file[0], file[1]); err != nil {
			t.Fatal(err)
		}
	}
	hangUp(t)
	log.await(t, "TLS files loaded", "")
	if got := shake(t, p, ca, pump).ConnectionState().PeerCertificates[0]; got.SerialNumber.Cmp(next.Leaf.SerialNumber) != 0 {
		t.Error("a new device sees the old certificate")
	}
	if err := os.WriteFile(ca.File, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t)
	if line := log.await(t, "TLS files are not used; the ones before stay in use", ""); line["level"] != "WARN" || line["use"] != "devices" {
		t.Errorf("logged is %v", line)
	}
	shake(t, p, ca, pump)
	send(t, device, framed("\xc0\x00"))
	receive(t, broker, "\xc0\x00")
}

func hangUp(t *testing.T) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(syscall.SIGHUP); err != nil {
		t.Skip("no SIGHUP here:", err)
	}
}

// TestRevokedDeviceIsEnded: a list that names the certificate of a connected device ends its session, without SIGHUP too, and no
// other device's.
func TestRevokedDeviceIsEnded(t *testing.T) {
	ca := certs.New(t)
	own, good, bad := ca.Server(t, "127.0.0.1"), ca.Client(t, "good"), ca.Client(t, "bad")
	p, brokers, log := startBridge(t, func(cfg *config.Config) {
		cfg.Listen = []string{"wss://127.0.0.1:0"}
		cfg.TLS.Cert, cfg.TLS.Key, cfg.TLS.CRL = own.CertFile, own.KeyFile, ca.CRL(t, time.Now().Add(time.Hour))
		cfg.TLS.ClientCA, cfg.TLS.ClientAuth = ca.File, "require"
	})
	online := func(pair certs.Pair) (device *tls.Conn, broker net.Conn) {
		device = shake(t, p, ca, pair)
		send(t, device, upgradeHead+offer+"\r\n"+framed(connectPacket))
		broker = <-brokers
		t.Cleanup(func() { broker.Close() })
		receive(t, broker, connectPacket)
		send(t, broker, "\x20\x02\x00\x00")
		awaitBytes(t, device, "\x82\x04\x20\x02\x00\x00")
		return device, broker
	}
	staying, stayingBroker := online(good)
	ended, endedBroker := online(bad)
	ca.CRL(t, time.Now().Add(time.Hour), bad)
	awaitBytes(t, ended, "\x03\xf0certificate-revoked: ")
	if rest, err := io.ReadAll(endedBroker); err != nil || len(rest) > 0 {
		t.Errorf("the broker hears % x, %v; want the end and nothing else", rest, err)
	}
	ended.Close()
	log.await(t, "session ended", "certificate-revoked")
	send(t, staying, framed("\xc0\x00"))
	receive(t, stayingBroker, "\xc0\x00")
}

// awaitBytes reads until these bytes came.
func awaitBytes(t *testing.T, nc net.Conn, want string) {
	t.Helper()
	_ = nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	var got []byte
	for !strings.HasSuffix(string(got), want) {
		b := make([]byte, 1)
		if _, err := io.ReadFull(nc, b); err != nil {
			t.Fatalf("read %q and %v, want %q", got, err, want)
		}
		got = append(got, b[0])
	}
}

// TestAttack46_http_is_not_a_way_around: a device without a certificate gets nothing of the WebSocket listener.
func TestAttack46_http_is_not_a_way_around(t *testing.T) {
	p, _, _, ca, _ := secured(t, func(*config.Config) {})
	nc := dialDevices(t, p)
	tc := tls.Client(nc, &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1"})
	_, _ = io.WriteString(tc, upgradeHead+offer+"\r\n")
	if got, _ := io.ReadAll(tc); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

// TestBrokerIsToldOfTheCertificate by the PROXY header of version 2.
func TestBrokerIsToldOfTheCertificate(t *testing.T) {
	p, brokers, _, ca, _ := secured(t, func(cfg *config.Config) { cfg.Upstream.ProxyProtocol = "v2" })
	device := shake(t, p, ca, ca.Client(t, "pump-7"))
	send(t, device, upgradeHead+offer+"\r\n"+framed(connectPacket))
	broker := <-brokers
	defer broker.Close()
	_ = broker.SetDeadline(time.Now().Add(10 * time.Second))
	header := make([]byte, 16+12+3+5+3+7+3+6)
	r := bufio.NewReader(broker)
	if n, err := io.ReadFull(r, header); err != nil || !strings.HasPrefix(string(header), "\r\n\r\n\x00\r\nQUIT\n\x21\x11") ||
		!strings.HasSuffix(string(header), "\x21\x00\x07TLSv1.3\x22\x00\x06pump-7") {
		t.Errorf("the broker is told %q, %v", header[:n], err)
	}
	got := make([]byte, len(connectPacket))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != connectPacket {
		t.Errorf("then comes %q, %v", got, err)
	}
}

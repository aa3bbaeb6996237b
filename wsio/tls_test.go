package wsio_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"sync/atomic"
	"testing"
	"time"
)

// tlsConfig is a server's with a certificate made for this test.
func tlsConfig(t testing.TB) *tls.Config {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"bridge.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		MinVersion:   tls.VersionTLS12,
	}
}

// TestTLSOfNow: each handshake takes the configuration of its time, and speaks HTTP/1.1 with it.
func TestTLSOfNow(t *testing.T) {
	var now atomic.Pointer[tls.Config]
	latest := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return now.Load(), nil }}
	s := startServer(t, serverConfig{tls: latest})
	s.tls = false
	for range 2 {
		now.Store(tlsConfig(t))
		for range 2 {
			nc := tls.Client(s.dial(t), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
			if err := nc.Handshake(); err != nil {
				t.Fatal(err)
			}
			state := nc.ConnectionState()
			if state.NegotiatedProtocol != "http/1.1" || !bytes.Equal(state.PeerCertificates[0].Raw, now.Load().Certificates[0].Certificate[0]) {
				t.Errorf("protocol %q, or another certificate", state.NegotiatedProtocol)
			}
		}
	}
}

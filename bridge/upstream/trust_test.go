package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// shows makes a broker that shows this certificate, over tls and wss, and returns what dialling each of them says.
func shows(t *testing.T, cert tls.Certificate, change func(*upstream.Options)) (overTLS, overWSS error) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := serveOn(t, tls.NewListener(l, config), echo)
	return exchange(t, newPool(t, new(lines), change, parse(t, "tls://"+plain.Addr().String()))),
		exchange(t, newPool(t, new(lines), change, serveWS(t, config, echoWS)))
}

// selfSigned is a certificate that nobody vouches for, for another host, and long out of date.
func selfSigned(t *testing.T) (cert tls.Certificate, pin [sha256.Size]byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "elsewhere"},
		NotBefore: time.Unix(1, 0), NotAfter: time.Unix(2, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pinOf(t, der)
}

// pinOf is the pin of a certificate in DER.
func pinOf(t *testing.T, der []byte) [sha256.Size]byte {
	t.Helper()
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
}

// expectBoth holds the errors of both schemes against part of one; "": none.
func expectBoth(t *testing.T, overTLS, overWSS error, fail string) {
	t.Helper()
	for scheme, err := range map[string]error{"tls": overTLS, "wss": overWSS} {
		if (err == nil) != (fail == "") || err != nil && !strings.Contains(err.Error(), fail) {
			t.Errorf("%s: error %v, want %q", scheme, err, fail)
		}
	}
}

// TestPins: a key that is pinned is trusted, whatever the certificate says; with authorities in the configuration both have to hold.
func TestPins(t *testing.T) {
	cert, pin := selfSigned(t)
	other := sha256.Sum256([]byte("other"))
	a := newAuthority(t)
	issued, elsewhere := a.issue(), a.issue("broker.example")
	for _, c := range []struct {
		name  string
		cert  tls.Certificate
		pins  [][sha256.Size]byte
		roots *x509.CertPool
		fail  string
	}{
		{"pinned", cert, [][sha256.Size]byte{other, pin}, nil, ""},
		{"another key", cert, [][sha256.Size]byte{other}, nil, "upstream.tls.pins"},
		{"no pins", cert, nil, nil, "certificate"},
		{"pinned and signed", issued, [][sha256.Size]byte{pinOf(t, issued.Certificate[0])}, a.pool, ""},
		{"signed and not pinned", issued, [][sha256.Size]byte{other}, a.pool, "upstream.tls.pins"},
		{"pinned and not signed", cert, [][sha256.Size]byte{pin}, a.pool, "certificate"},
		{"pinned and for another name", elsewhere, [][sha256.Size]byte{pinOf(t, elsewhere.Certificate[0])}, a.pool, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			overTLS, overWSS := shows(t, c.cert, func(o *upstream.Options) {
				o.Trust.Pins = c.pins
				o.TLS = always(&tls.Config{RootCAs: c.roots})
			})
			expectBoth(t, overTLS, overWSS, c.fail)
		})
	}
}

// commonName is a certificate of a that names its host in the old way alone.
func commonName(t *testing.T, a *authority, name string, sans ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: sans,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestCommonName: the common name counts where that was asked for and there are no other names, and the authority is still checked.
func TestCommonName(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	for _, c := range []struct {
		name    string
		cert    tls.Certificate
		allowed bool
		as      string
		roots   *x509.CertPool
		fail    string
	}{
		{"not allowed", commonName(t, a, "broker.test"), false, "broker.test", a.pool, "upstream.tls.common-name"},
		{"allowed", commonName(t, a, "Broker.test"), true, "broker.test", a.pool, ""},
		{"an address", commonName(t, a, "127.0.0.1"), true, "", a.pool, ""},
		{"another name", commonName(t, a, "broker.test"), true, "other.test", a.pool, `common name "broker.test"`},
		{"names beside it", commonName(t, a, "broker.test", "other.test"), true, "broker.test", a.pool, "certificate"},
		{"a name as usual", a.issue("broker.test"), true, "broker.test", a.pool, ""},
		{"of a stranger", commonName(t, stranger, "broker.test"), true, "broker.test", a.pool, "unknown authority"},
	} {
		t.Run(c.name, func(t *testing.T) {
			overTLS, overWSS := shows(t, c.cert, func(o *upstream.Options) {
				o.Trust.CommonName = c.allowed
				o.TLS = always(&tls.Config{RootCAs: c.roots, ServerName: c.as})
			})
			expectBoth(t, overTLS, overWSS, c.fail)
		})
	}
}

// TestALPN: tls brokers are offered the names that were configured, as AWS IoT wants on port 443, and those that know none of them say so.
func TestALPN(t *testing.T) {
	a := newAuthority(t)
	for _, c := range []struct {
		theirs []string
		fail   string
	}{{[]string{"x-amzn-mqtt-ca"}, ""}, {nil, ""}, {[]string{"h2"}, "no application protocol"}} {
		chosen := make(chan string, 1)
		l := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
			tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{a.issue()}, NextProtos: c.theirs})
			if tc.Handshake() == nil {
				chosen <- tc.ConnectionState().NegotiatedProtocol
			}
		})
		p := newPool(t, new(lines), func(o *upstream.Options) {
			o.ALPN, o.TLS = []string{"x-amzn-mqtt-ca", "mqtt"}, always(&tls.Config{RootCAs: a.pool})
		}, parse(t, "tls://"+l.Addr().String()))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		b, err := p.Dial(ctx, bridge.DeviceInfo{})
		cancel()
		if err == nil {
			b.Close()
			if got := <-chosen; len(c.theirs) > 0 && got != c.theirs[0] {
				t.Errorf("%v: the broker chose %q", c.theirs, got)
			}
		}
		if (err == nil) != (c.fail == "") || err != nil && !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%v: error %v, want %q", c.theirs, err, c.fail)
		}
	}
}

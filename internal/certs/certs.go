// Package certs makes certificates for one test: an authority, and what it signs. Nothing of it is ever kept in the
// repository, least of all a private key.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates for the test that made it.
type Authority struct {
	// File holds the authority's own certificate, PEM.
	File string

	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Pair names the files of a certificate and its key, PEM, and holds the certificate.
type Pair struct {
	CertFile, KeyFile string
	Leaf              *x509.Certificate
}

// New makes an authority whose files live as long as the test.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{dir: t.TempDir()}
	template := template("test authority")
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	a.key = newKey(t)
	a.cert = sign(t, template, template, a.key, a.key)
	a.File = filepath.Join(a.dir, "ca.pem")
	write(t, a.File, "CERTIFICATE", a.cert.Raw)
	return a
}

// Server makes a certificate for the given host names and IP addresses.
func (a *Authority) Server(t testing.TB, hosts ...string) Pair {
	t.Helper()
	template := template(hosts[0])
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.issue(t, template)
}

// Lasting is Server with a certificate that is good from one time to another.
func (a *Authority) Lasting(t testing.TB, from, to time.Time, hosts ...string) Pair {
	t.Helper()
	template := template(hosts[0])
	template.NotBefore, template.NotAfter, template.DNSNames = from, to, hosts
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return a.issue(t, template)
}

// Client makes a certificate with which a client of that name shows who it is.
func (a *Authority) Client(t testing.TB, name string) Pair {
	t.Helper()
	return a.Device(t, pkix.Name{CommonName: name})
}

// Device is Client with a whole subject and DNS names.
func (a *Authority) Device(t testing.TB, subject pkix.Name, dns ...string) Pair {
	t.Helper()
	template := template("")
	template.Subject, template.DNSNames = subject, dns
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.issue(t, template)
}

// Expired is Client with a certificate that was good until a minute ago.
func (a *Authority) Expired(t testing.TB, name string) Pair {
	t.Helper()
	template := template(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	template.NotAfter = time.Now().Add(-time.Minute)
	return a.issue(t, template)
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *Authority) issue(t testing.TB, template *x509.Certificate) Pair {
	t.Helper()
	key := newKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("encode the key: %v", err)
	}
	base := filepath.Join(a.dir, template.SerialNumber.Text(36))
	pair := Pair{
		CertFile: base + ".pem",
		KeyFile:  base + ".key",
		Leaf:     sign(t, template, a.cert, key, a.key),
	}
	write(t, pair.CertFile, "CERTIFICATE", pair.Leaf.Raw)
	write(t, pair.KeyFile, "PRIVATE KEY", der)
	return pair
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 64))
	if err != nil {
		panic("certs: no randomness: " + err.Error())
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatalf("sign a certificate: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("read the certificate back: %v", err)
	}
	return cert
}

func write(t testing.TB, file, kind string, der []byte) {
	t.Helper()
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatalf("write %s: %v", kind, err)
	}
}

package certs

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// CRL writes the authority's revocation list, PEM, which is good until then, and returns its file. It is the same file each time.
func (a *Authority) CRL(t testing.TB, until time.Time, revoked ...Pair) string {
	t.Helper()
	list := &x509.RevocationList{
		Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: until,
	}
	for _, pair := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: pair.Leaf.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatalf("sign a revocation list: %v", err)
	}
	file := filepath.Join(a.dir, "ca.crl")
	write(t, file, "X509 CRL", der)
	return file
}

// OCSP is the authority's answer about a certificate, DER, which holds until then: that it is good, or that it is revoked.
func (a *Authority) OCSP(t testing.TB, pair Pair, until time.Time, good bool) []byte {
	t.Helper()
	status := ocsp.Good
	if !good {
		status = ocsp.Revoked
	}
	der, err := ocsp.CreateResponse(a.cert, a.cert, ocsp.Response{
		Status: status, SerialNumber: pair.Leaf.SerialNumber, ThisUpdate: time.Now().Add(-2 * time.Hour), NextUpdate: until,
	}, a.key)
	if err != nil {
		t.Fatalf("sign an OCSP answer: %v", err)
	}
	return der
}

// Chain adds the authority's certificate to a pair's file.
func (a *Authority) Chain(t testing.TB, pair Pair) {
	t.Helper()
	var file bytes.Buffer
	for _, der := range [][]byte{pair.Leaf.Raw, a.cert.Raw} {
		if err := pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(pair.CertFile, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

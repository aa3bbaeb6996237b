package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Trust is what a broker's certificate may be beside what crypto/tls takes. The zero value adds nothing.
type Trust struct {
	// Pins are SHA-256 of public keys, one of which the certificate has to have. Without authorities in the configuration they decide
	// alone: neither who signed it, nor its names, nor its dates are looked at.
	Pins [][sha256.Size]byte
	// CommonName takes a certificate without subject alternative names by its common name.
	CommonName bool
}

var errNoCertificate = errors.New("the broker shows no certificate")

// apply makes c, which is for connections to name, check what t says.
func (t *Trust) apply(c *tls.Config, name string) {
	if len(t.Pins) == 0 && !t.CommonName {
		return
	}
	alone := len(t.Pins) > 0 && c.RootCAs == nil
	roots := c.RootCAs
	c.InsecureSkipVerify = true // checked below, for resumed connections too
	c.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errNoCertificate
		}
		if len(t.Pins) > 0 {
			if err := t.pinned(state.PeerCertificates[0]); err != nil || alone {
				return err
			}
		}
		return t.verify(state.PeerCertificates, roots, name)
	}
}

func (t *Trust) pinned(cert *x509.Certificate) error {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	if slices.Contains(t.Pins, sum) {
		return nil
	}
	return fmt.Errorf("the broker's certificate has the key sha256/%s, which upstream.tls.pins does not name",
		base64.StdEncoding.EncodeToString(sum[:]))
}

// verify does what crypto/tls does, and takes the common name where that is allowed.
func (t *Trust) verify(certs []*x509.Certificate, roots *x509.CertPool, name string) error {
	leaf := certs[0]
	opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), DNSName: name} // for servers, unless said otherwise
	for _, cert := range certs[1:] {
		opts.Intermediates.AddCert(cert)
	}
	if t.CommonName && !hasNames(leaf) {
		if !strings.EqualFold(leaf.Subject.CommonName, name) {
			return fmt.Errorf("the broker's certificate has the common name %q, not %s", leaf.Subject.CommonName, name)
		}
		opts.DNSName = ""
	}
	_, err := leaf.Verify(opts)
	return err
}

// hasNames reports whether a certificate has subject alternative names: then its common name means nothing, RFC 6125 section 6.4.4.
func hasNames(cert *x509.Certificate) bool {
	return len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses)+len(cert.URIs) > 0
}

package tlsfiles

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Server names the files of the side that devices reach.
type Server struct {
	// Certificates are picked by the name that the device asks for (SNI); the first is for those that ask for none or another.
	Certificates []Certificate
	ClientCA     string // PEM, the authorities of device certificates; "" if ClientAuth is off
	CRL          string // PEM or DER, revocation lists of those authorities; "": none
	ClientAuth   tls.ClientAuthType
	MinVersion   uint16
	Ciphers      []uint16 // of TLS 1.2; nil: those of crypto/tls
	RecordSize   int      // bytes of a TLS record, to compare chains with; 0: any
}

// Certificate names the files of a certificate.
type Certificate struct {
	Cert string // PEM, with its chain
	Key  string // PEM
	OCSP string // DER, an answer to staple; "", or a file that is not there: none
}

// loaded is what files were turned into.
type loaded struct {
	config *tls.Config
	expiry map[string]validity // by file
	notes  []string            // what an operator should know though it stops nothing
	trust  [sha256.Size]byte   // of the authorities of devices
	// revoked are the certificates that authorities took back; nil without lists.
	revoked revocations
	until   time.Time // when to load again though nothing changed; zero: never
}

// contents are the files as they were read, all at one time. A file that may be missing and is has no entry.
type contents map[string][]byte

func (s Server) files() (names, optional []string) {
	for _, c := range s.Certificates {
		names = append(names, c.Cert, c.Key)
		if c.OCSP != "" {
			optional = append(optional, c.OCSP)
		}
	}
	for _, name := range []string{s.ClientCA, s.CRL} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names, optional
}

func (s Server) load(files contents) (*loaded, error) {
	l := &loaded{
		config: &tls.Config{MinVersion: s.MinVersion, CipherSuites: s.Ciphers, ClientAuth: s.ClientAuth},
		expiry: make(map[string]validity),
	}
	if len(s.Certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	for _, c := range s.Certificates {
		cert, err := keyPair(files, c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		l.chainLasts(c.Cert, &cert)
		if size := messageSize(&cert); s.RecordSize > 0 && size > s.RecordSize {
			l.notes = append(l.notes, fmt.Sprintf("%s: the chain takes %d bytes in one TLS record, more than tls.record-size: "+
				"only TLS 1.2 with max_fragment_length divides it", c.Cert, size))
		}
		if answer, ok := files[c.OCSP]; ok {
			l.staple(&cert, c.OCSP, answer)
		}
		l.config.Certificates = append(l.config.Certificates, cert)
	}
	if s.ClientAuth == tls.NoClientCert {
		return l, nil
	}
	authorities, err := l.authorities(s.ClientCA, files[s.ClientCA])
	if err != nil {
		return nil, err
	}
	l.config.ClientCAs = pool(authorities)
	l.trust = sha256.Sum256(files[s.ClientCA])
	if s.CRL == "" {
		return l, nil
	}
	revoked, err := l.revocations(s.CRL, files[s.CRL], authorities)
	if err != nil {
		return nil, err
	}
	// Not VerifyPeerCertificate: that is left out when a session is resumed.
	l.revoked = revoked
	l.config.VerifyConnection = func(state tls.ConnectionState) error { return revoked.check(state.VerifiedChains) }
	return l, nil
}

// messageSize is how many bytes the message Certificate has in TLS 1.3, RFC 8446 section 4.4.2.
func messageSize(cert *tls.Certificate) int {
	size := 4 + 1 + 3 // type and length, an empty context, the length of the list
	for _, der := range cert.Certificate {
		size += 3 + len(der) + 2 // with its length, and no extensions
	}
	return size
}

// Encrypted reports whether a private key in PEM needs a passphrase, which nobody could type: PKCS #8 (RFC 7468 section 11) or the older
// form with a header (RFC 1421).
func Encrypted(data []byte) bool {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return true
		}
	}
	return false
}

// keyPair reads a certificate and its key.
func keyPair(files contents, certFile, keyFile string) (tls.Certificate, error) {
	if Encrypted(files[keyFile]) {
		return tls.Certificate{}, fmt.Errorf("%s: the key is encrypted", keyFile)
	}
	cert, err := tls.X509KeyPair(files[certFile], files[keyFile])
	if err != nil {
		return cert, fmt.Errorf("%s with %s: %w", certFile, keyFile, err)
	}
	return cert, nil
}

// authorities reads a file of authorities' certificates. Unlike [x509.CertPool.AppendCertsFromPEM] it passes over nothing that
// is broken.
func (l *loaded) authorities(file string, data []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		l.lasts(file, cert.NotBefore, cert.NotAfter)
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: holds no certificate", file)
	}
	return all, nil
}

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}

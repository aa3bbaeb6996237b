package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"
)

// staple adds an OCSP answer to a certificate if it is good for it now. One that is not is left out, since devices would refuse it
// and can do without, and is noted.
func (l *loaded) staple(cert *tls.Certificate, file string, answer []byte) {
	response, err := checkStaple(cert, answer)
	if err != nil {
		l.notes = append(l.notes, fmt.Sprintf("%s is not stapled: %v", file, err))
		return
	}
	cert.OCSPStaple = answer
	if next := response.NextUpdate; !next.IsZero() {
		l.lasts(file, response.ThisUpdate, next)
		if l.until.IsZero() || next.Before(l.until) {
			l.until = next
		}
	}
}

func checkStaple(cert *tls.Certificate, answer []byte) (*ocsp.Response, error) {
	if len(cert.Certificate) < 2 {
		return nil, fmt.Errorf("the certificate comes without its issuer's, which signs the answer")
	}
	issuer, err := x509.ParseCertificate(cert.Certificate[1])
	if err != nil {
		return nil, err
	}
	response, err := ocsp.ParseResponseForCert(answer, cert.Leaf, issuer)
	if err != nil {
		return nil, err
	}
	if response.Status != ocsp.Good {
		return nil, fmt.Errorf("it does not say that the certificate is good")
	}
	if now := time.Now(); now.Before(response.ThisUpdate) || !response.NextUpdate.IsZero() && now.After(response.NextUpdate) {
		return nil, fmt.Errorf("it is good from %v to %v", response.ThisUpdate, response.NextUpdate)
	}
	return response, nil
}

package tlsfiles

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// revocations are the serial numbers that were taken back, by the issuer's public key: names need not be unique.
type revocations map[string]map[string]struct{}

// revocations reads a file of revocation lists, each of which one of the authorities must have signed. A list that is out of date
// stays in force: what it revokes is revoked, and to refuse every device would help nobody. It is noted.
func (l *loaded) revocations(file string, data []byte, authorities []*x509.Certificate) (revocations, error) {
	ders := [][]byte{}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "X509 CRL" {
			ders = append(ders, block.Bytes)
		}
	}
	if len(ders) == 0 {
		ders = append(ders, data)
	}
	all := make(revocations)
	for _, der := range ders {
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		signer := slices.IndexFunc(authorities, func(ca *x509.Certificate) bool {
			return bytes.Equal(ca.RawSubject, list.RawIssuer) && list.CheckSignatureFrom(ca) == nil
		})
		if signer < 0 {
			return nil, fmt.Errorf("%s: the list of %s is not signed by any of the authorities", file, list.Issuer)
		}
		if !list.NextUpdate.IsZero() {
			l.lasts(file, list.ThisUpdate, list.NextUpdate)
		}
		key := string(authorities[signer].RawSubjectPublicKeyInfo)
		issuer := all[key]
		if issuer == nil {
			issuer = make(map[string]struct{})
			all[key] = issuer
		}
		for _, entry := range list.RevokedCertificateEntries {
			issuer[serial(entry.SerialNumber)] = struct{}{}
		}
	}
	return all, nil
}

// CheckAuthorities reads a file of authorities and, unless crl is "", one of their revocation lists, and says what is wrong with
// them.
func CheckAuthorities(ca, crl string) error {
	l := &loaded{expiry: make(map[string]validity)}
	data, err := readFile(ca)
	if err != nil {
		return err
	}
	authorities, err := l.authorities(ca, data)
	if err != nil || crl == "" {
		return err
	}
	if data, err = readFile(crl); err == nil {
		_, err = l.revocations(crl, data, authorities)
	}
	return err
}

func serial(n *big.Int) string { return string(n.Bytes()) }

var (
	errRevoked = errors.New("the certificate is revoked")
	errNoList  = errors.New("there is no revocation list of the certificate's issuer")
)

// check refuses a device unless one of its chains is clean. The leaf's issuer has to have a list; other links are held against
// theirs where there is one. A device without a certificate has no chains and passes: whether it may is not asked here.
func (r revocations) check(chains [][]*x509.Certificate) error {
	var err error
	for _, chain := range chains {
		if err = r.checkChain(chain); err == nil {
			return nil
		}
	}
	return err
}

func (r revocations) checkChain(chain []*x509.Certificate) error {
	for i, cert := range chain {
		issuer, ok := r[string(chain[min(i+1, len(chain)-1)].RawSubjectPublicKeyInfo)]
		if !ok && i == 0 {
			return errNoList
		}
		if _, revoked := issuer[serial(cert.SerialNumber)]; revoked {
			return errRevoked
		}
	}
	return nil
}

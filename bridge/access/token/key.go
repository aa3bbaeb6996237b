package token

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Key is a key with the one algorithm it is good for.
type Key struct {
	id  string // "": for tokens with any key identifier
	alg string
	key any // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, or []byte, a secret
}

// String tells identifier and algorithm, never a secret.
func (k Key) String() string { return k.alg + " " + k.id }

// GoString returns the same, so that %#v prints no secret either.
func (k Key) GoString() string { return k.String() }

const (
	maxKeyFile = 1 << 20 // bytes
	minSecret  = 32      // bytes, RFC 7518 section 3.2
	minRSA     = 2048    // bits, RFC 7518 section 3.3
	maxRSA     = 8192    // bits: more would make a check too slow
)

var (
	errAlgorithm = errors.New("the algorithm does not fit the key: HS256, HS384 or HS512 for a secret, RS256 to RS512 or PS256 to " +
		"PS512 for RSA, ES256, ES384 or ES512 by the curve, EdDSA for Ed25519")
	errPrivate = errors.New("this is a private key: only the public one is needed here, and should be")
	errPEM     = errors.New("no public key or certificate in PEM")
	errSecret  = fmt.Errorf("a secret needs %d bytes or more", minSecret)
	errNoHMAC  = errors.New("a public key or certificate is no secret")
	errRSA     = fmt.Errorf("an RSA key needs %d to %d bits", minRSA, maxRSA)
)

// LoadKey reads a key from a file: a public key or certificate in PEM, or with an algorithm HS256, HS384 or HS512 a secret,
// which is the content of the file without the end of its line. id is the key identifier of the tokens it is for; empty: of
// any. algorithm may be empty for a public key: RS256, EdDSA, or what the curve says.
func LoadKey(path, id, algorithm string) (Key, error) {
	text, err := readFile(path)
	if err != nil {
		return Key{}, err
	}
	k, err := parseKey(text, id, algorithm)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	case len(text) > maxKeyFile:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxKeyFile)
	}
	return text, nil
}

func parseKey(text []byte, id, algorithm string) (Key, error) {
	block, _ := pem.Decode(text)
	if slices.Contains(algorithmsOf([]byte(nil)), algorithm) {
		secret := bytes.TrimRight(text, "\r\n")
		switch {
		case block != nil:
			return Key{}, errNoHMAC
		case len(secret) < minSecret:
			return Key{}, errSecret
		}
		return Key{id, algorithm, secret}, nil
	}
	if block == nil {
		return Key{}, errPEM
	}
	public, err := parsePEM(block)
	if err != nil {
		return Key{}, err
	}
	return newKey(public, id, algorithm)
}

func parsePEM(block *pem.Block) (any, error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errPEM
		}
		return key, nil
	case "RSA PUBLIC KEY":
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			return nil, errPEM
		}
		return key, nil
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errPEM
		}
		return cert.PublicKey, nil
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		return nil, errPrivate
	}
	return nil, errPEM
}

// newKey binds a public key to its algorithm.
func newKey(public any, id, algorithm string) (Key, error) {
	algorithms := algorithmsOf(public)
	if k, ok := public.(*rsa.PublicKey); ok && (k.N.BitLen() < minRSA || k.N.BitLen() > maxRSA) {
		return Key{}, errRSA
	}
	if algorithm == "" && len(algorithms) > 0 {
		algorithm = algorithms[0]
	}
	if !slices.Contains(algorithms, algorithm) {
		return Key{}, errAlgorithm
	}
	return Key{id, algorithm, public}, nil
}

// algorithmsOf returns what a key may be used for, RFC 7518 section 3.1 and RFC 8037; the first is what is meant if nothing is
// said.
func algorithmsOf(key any) []string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return []string{"ES256"}
		case elliptic.P384():
			return []string{"ES384"}
		case elliptic.P521():
			return []string{"ES512"}
		}
	case ed25519.PublicKey:
		return []string{"EdDSA"}
	case []byte:
		return []string{"HS256", "HS384", "HS512"}
	}
	return nil
}

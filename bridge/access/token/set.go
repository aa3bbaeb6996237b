package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// maxKeys is how many keys a set may have.
const maxKeys = 64

// webKey is a JSON Web Key, RFC 7517 section 4 and RFC 7518 section 6.
type webKey struct {
	Type       string   `json:"kty"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`
	Algorithm  string   `json:"alg"`
	ID         string   `json:"kid"`
	Curve      string   `json:"crv"`
	X          string   `json:"x"`
	Y          string   `json:"y"`
	N          string   `json:"n"`
	E          string   `json:"e"`
}

var (
	errSet     = errors.New("not a JSON Web Key Set")
	errSetFull = fmt.Errorf("more than %d keys", maxKeys)
	errNoKeys  = errors.New("no key for signatures in it")
	errWebKey  = errors.New("malformed key")
)

// LoadSet reads a JSON Web Key Set (RFC 7517 section 5) from a file.
func LoadSet(path string) ([]Key, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := ParseSet(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

// ParseSet reads a JSON Web Key Set. Keys that are for encryption, or of a kind that is not known, are passed over, as are
// secrets: what is shared by publishing it is none. A key of a known kind that is malformed is an error, and so is a set
// without a key that is left.
func ParseSet(text []byte) ([]Key, error) {
	var set struct {
		Keys []webKey `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errSet // the decoder's own words may hold a piece of the text
	}
	if len(set.Keys) > maxKeys {
		return nil, errSetFull
	}
	var keys []Key
	for i, w := range set.Keys {
		if w.Use != "" && w.Use != "sig" {
			continue
		}
		public, err := w.public()
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if public == nil {
			continue
		}
		k, err := newKey(public, w.ID, w.Algorithm)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errNoKeys
	}
	return keys, nil
}

// public returns the public key, nil for one of an unknown kind.
func (w *webKey) public() (any, error) {
	switch w.Type {
	case "RSA":
		n, e := number(w.N), number(w.E)
		if n == nil || e == nil || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
			return nil, errWebKey
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "EC":
		return w.publicEC()
	case "OKP":
		x, err := base64.RawURLEncoding.DecodeString(w.X)
		switch {
		case w.Curve != "Ed25519":
			return nil, nil
		case err != nil || len(x) != ed25519.PublicKeySize:
			return nil, errWebKey
		}
		return ed25519.PublicKey(x), nil
	}
	return nil, nil
}

func (w *webKey) publicEC() (any, error) {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve := curves[w.Curve]
	if curve == nil {
		return nil, nil
	}
	size := (curve.Params().BitSize + 7) / 8
	x, err1 := base64.RawURLEncoding.DecodeString(w.X)
	y, err2 := base64.RawURLEncoding.DecodeString(w.Y)
	if err1 != nil || err2 != nil || len(x) != size || len(y) != size {
		return nil, errWebKey
	}
	key, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, errWebKey // not on the curve
	}
	return key, nil
}

func number(text string) *big.Int {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || len(b) > maxRSA/8+1 {
		return nil
	}
	return new(big.Int).SetBytes(b)
}

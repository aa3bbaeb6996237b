// Package ota updates firmware over MQTT: a server that announces an image and hands out chunks, an agent that downloads,
// resumes, verifies, installs and reports, and the ways in which that goes wrong in the field.
//
// Topics below a prefix: ota/announce (retained manifest), ota/ID/get (request), ota/ID/chunk (answer), ota/ID/state.
package ota

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Manifest announces an image. Signature is Ed25519 over version, size and hash.
type Manifest struct {
	Version   int    `json:"v"`
	Size      int    `json:"n"`
	SHA256    string `json:"h"`
	Signature []byte `json:"s"`
}

// MaxImage is the largest image that agents accept.
const MaxImage = 64 << 20

// Sign makes the manifest of an image.
func Sign(version int, image []byte, key ed25519.PrivateKey) Manifest {
	sum := sha256.Sum256(image)
	m := Manifest{Version: version, Size: len(image), SHA256: hex.EncodeToString(sum[:])}
	m.Signature = ed25519.Sign(key, m.signed())
	return m
}

func (m Manifest) signed() []byte {
	return fmt.Appendf(nil, "firmware-sim update\n%d\n%d\n%s\n", m.Version, m.Size, m.SHA256)
}

var errSignature = errors.New("signature does not match")

// Verify checks the signature and the limits before anything is downloaded.
func (m Manifest) Verify(key ed25519.PublicKey) error {
	switch {
	case m.Size <= 0 || m.Size > MaxImage:
		return fmt.Errorf("image of %d bytes", m.Size)
	case !ed25519.Verify(key, m.signed(), m.Signature):
		return errSignature
	}
	return nil
}

// Key derives a key pair from a seed, so that a server and a fleet with the same seed trust each other.
func Key(seed uint64) ed25519.PrivateKey {
	sum := sha256.Sum256([]byte("firmware-sim update key " + strconv.FormatUint(seed, 10)))
	return ed25519.NewKeyFromSeed(sum[:])
}

// Image makes a firmware of n bytes that compresses as badly as a real one.
func Image(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 0x07A))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// request asks for a part of an image.
type request struct {
	Version int `json:"v"`
	Offset  int `json:"o"`
	Length  int `json:"l"`
}

// Report is a device's word about its update.
type Report struct {
	Version int    `json:"v"` // what it runs now
	State   State  `json:"state"`
	Detail  string `json:"detail,omitempty"`
}

// State is where a device stands.
type State string

// The states; the last five are final.
const (
	Downloading State = "downloading"
	Resumed     State = "resumed"
	Verifying   State = "verifying"
	Installing  State = "installing"

	Installed    State = "installed"
	BadHash      State = "failed-hash"
	RolledBack   State = "rolled-back"
	Stale        State = "refused-stale"
	BadSignature State = "refused-signature"
)

// Final reports whether nothing will follow.
func (s State) Final() bool {
	switch s {
	case Installed, BadHash, RolledBack, Stale, BadSignature:
		return true
	}
	return false
}

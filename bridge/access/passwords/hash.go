package passwords

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// hash is what a file holds of a password.
type hash interface {
	matches(password string) bool
}

// Bounds of what one check may cost. A file beyond them is refused: it would let strangers stop the bridge.
const (
	maxBcryptCost    = 14
	maxArgonMemory   = 128 << 10 // KiB
	maxArgonTime     = 16
	maxArgonThreads  = 16
	maxArgonKey      = 128 // bytes
	minArgonKey      = 16
	minArgonSalt     = 8
	argonVersion     = "v=19"
	argonFieldsCount = 6
)

var errHash = errors.New("not a bcrypt or argon2 hash (htpasswd -cB FILE NAME makes a file of them)")

// parseHash reads a hash. Its errors do not hold it.
func parseHash(text string) (hash, error) {
	switch {
	case strings.HasPrefix(text, "$2a$"), strings.HasPrefix(text, "$2b$"), strings.HasPrefix(text, "$2y$"):
		cost, err := bcrypt.Cost([]byte(text))
		if err != nil || len(text) != 60 {
			return nil, errHash
		}
		if cost > maxBcryptCost {
			return nil, fmt.Errorf("bcrypt cost %d, at most %d", cost, maxBcryptCost)
		}
		return bcryptHash(text), nil
	case strings.HasPrefix(text, "$argon2"):
		return parseArgon(text)
	}
	return nil, errHash
}

type bcryptHash string

func (h bcryptHash) matches(password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(h), []byte(password)) == nil
}

// argonHash is a hash in the PHC string format, $argon2id$v=19$m=65536,t=3,p=4$salt$hash.
type argonHash struct {
	key          func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte
	memory, time uint32
	threads      uint8
	salt, sum    []byte
}

func parseArgon(text string) (hash, error) {
	fields := strings.Split(text, "$")
	if len(fields) != argonFieldsCount || fields[2] != argonVersion {
		return nil, errHash
	}
	h := &argonHash{}
	switch fields[1] {
	case "argon2id":
		h.key = argon2.IDKey
	case "argon2i":
		h.key = argon2.Key
	default:
		return nil, errHash
	}
	params := strings.Split(fields[3], ",")
	if len(params) != 3 {
		return nil, errHash
	}
	var threads uint32
	for i, p := range []struct {
		name string
		to   *uint32
		most uint64
	}{{"m=", &h.memory, maxArgonMemory}, {"t=", &h.time, maxArgonTime}, {"p=", &threads, maxArgonThreads}} {
		text, ok := strings.CutPrefix(params[i], p.name)
		n, err := strconv.ParseUint(text, 10, 32)
		if !ok || err != nil || n == 0 {
			return nil, errHash
		}
		if n > p.most {
			return nil, fmt.Errorf("argon2 with %s%d, at most %d", p.name, n, p.most)
		}
		*p.to = uint32(n)
	}
	h.threads = uint8(threads)
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.DecodeString(fields[4])
	h.sum, err2 = base64.RawStdEncoding.DecodeString(fields[5])
	if err1 != nil || err2 != nil || len(h.salt) < minArgonSalt || len(h.sum) < minArgonKey || len(h.sum) > maxArgonKey {
		return nil, errHash
	}
	return h, nil
}

func (h *argonHash) matches(password string) bool {
	sum := h.key([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(len(h.sum)))
	return subtle.ConstantTimeCompare(sum, h.sum) == 1
}

package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// Size is a number of bytes. Its text form is 64KiB, 1.5MiB or 512B.
type Size int64

// Units of Size, each 1024 times the one before.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
)

// mostBytes bounds sizes: below it they are exact in the library's float64 and readable again as printed.
const mostBytes = 1_000_000_000_000

var (
	plainBytes = regexp.MustCompile(`^[0-9]{1,12} ?[bB]?$`)
	withUnit   = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,3})? ?[kKmMgG]([iI]?[bB])?$`)
)

// ParseSize reads a number of bytes, alone or with a unit: B, KiB, MiB or GiB. K, KB and KiB all mean 1024 bytes, in
// any letter case.
func ParseSize(text string) (Size, error) {
	switch {
	case plainBytes.MatchString(text):
		n, err := strconv.ParseInt(strings.TrimRight(text, " bB"), 10, 64)
		return Size(n), err
	case withUnit.MatchString(text):
		n, err := units.RAMInBytes(text)
		if n >= mostBytes {
			return 0, fmt.Errorf("%s is too large; 900GiB is about the most", show(text))
		}
		return Size(n), err
	}
	return 0, fmt.Errorf("%s is not a size", show(text))
}

// String returns the shortest text that [ParseSize] reads back as exactly s.
func (s Size) String() string {
	if s > 0 {
		switch {
		case s%GiB == 0:
			return fmt.Sprintf("%dGiB", s/GiB)
		case s%MiB == 0:
			return fmt.Sprintf("%dMiB", s/MiB)
		case s%KiB == 0:
			return fmt.Sprintf("%dKiB", s/KiB)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

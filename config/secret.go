package config

import (
	"log/slog"
	"strconv"
	"strings"
)

// masked stands wherever a secret would be printed.
const masked = "***"

// Secret is a value that prints as ***, through fmt, slog and encoding alike. string(s) reveals it.
type Secret string

// String returns the mask.
func (Secret) String() string { return masked }

// GoString returns the mask, for %#v.
func (Secret) GoString() string { return masked }

// LogValue returns the mask.
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText returns the mask.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// show quotes a value for a message: without what a URL may carry secretly, and shortened.
func show(value string) string {
	const most = 80
	value = redact(value)
	if len(value) > most {
		value = value[:most] + "..."
	}
	return strconv.Quote(value)
}

// redact takes userinfo and query out of anything that may be an address. Whatever stands before the last @ goes, as a
// password may itself hold slashes and colons that would mislead a URL parser.
func redact(value string) string {
	if strings.HasPrefix(value, "/") {
		return value
	}
	scheme, rest, ok := strings.Cut(value, "://")
	if ok {
		scheme += "://"
	} else {
		scheme, rest = "", value
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 && !strings.HasPrefix(value, "unix:///") {
		rest = masked + rest[at:]
	}
	if scheme != "" {
		if query := strings.IndexByte(rest, '?'); query >= 0 {
			rest = rest[:query+1] + masked
		}
	}
	return scheme + rest
}

package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxToken   = 8 << 10 // bytes
	maxSubject = 1024    // bytes
)

// What is wrong with a token. These are all errors that Verify returns, but for those of a [Source].
var (
	ErrMalformed = errors.New("malformed token")
	ErrLarge     = fmt.Errorf("token larger than %d bytes", maxToken)
	ErrKey       = errors.New("token whose key or algorithm is not known here")
	ErrSignature = errors.New("token with a wrong signature")
	ErrExpired   = errors.New("token that has expired")
	ErrNotYet    = errors.New("token that is not valid yet")
	ErrIssuer    = errors.New("token of another issuer")
	ErrAudience  = errors.New("token for another audience")
	ErrClaims    = errors.New("token without a claim that is demanded")
	ErrList      = errors.New("token whose claim with rules is neither a text nor a list of texts of one line")
)

// Source has keys.
type Source interface {
	// Keys returns the keys there are. id is a key identifier that the caller looks for, "" if it looks for none: who can
	// looks for new keys if it does not have that one. An error says that keys cannot be had now.
	Keys(ctx context.Context, id string) ([]Key, error)
}

// Fixed are keys that do not change.
type Fixed []Key

// Keys returns them all.
func (f Fixed) Keys(context.Context, string) ([]Key, error) { return f, nil }

// Options make a [Verifier].
type Options struct {
	Keys     Source
	Issuer   string        // iss; must not be empty
	Audience []string      // one of them must be in aud; must not be empty
	Subject  string        // the claim that names the device; empty: sub
	List     string        // a claim that may be a list of texts; empty: none
	Leeway   time.Duration // by how much clocks may differ
}

// Verifier checks tokens. Safe for concurrent use.
type Verifier struct {
	opts    Options
	options []jwt.ParserOption
}

// Claims are what a good token says.
type Claims struct {
	Subject string
	// Values are the claims on the first level that are text, numbers or truth values, and that of Options.List, with each text of a
	// list in a line.
	Values  map[string]string
	Expires time.Time // leeway included
}

// New returns a verifier. It is an error not to say which issuer and audience are meant.
func New(opts Options) (*Verifier, error) {
	if opts.Issuer == "" || len(opts.Audience) == 0 || slices.Contains(opts.Audience, "") || opts.Keys == nil {
		return nil, errors.New("tokens need keys, an issuer and an audience")
	}
	if opts.Subject == "" {
		opts.Subject = "sub"
	}
	return &Verifier{opts, []jwt.ParserOption{
		jwt.WithExpirationRequired(), jwt.WithIssuer(opts.Issuer), jwt.WithAudience(opts.Audience...), jwt.WithLeeway(opts.Leeway),
		jwt.WithJSONNumber(), jwt.WithStrictDecoding(),
	}}, nil
}

// Ready returns nil if there are keys to check tokens with, or why not. It does not wait.
func (v *Verifier) Ready() error {
	if k, ok := v.opts.Keys.(interface{ Ready() error }); ok {
		return k.Ready()
	}
	return nil
}

// Verify checks a token and returns what it says. An error is one of those of this package, or a Source's, which says that the
// token could not be checked.
func (v *Verifier) Verify(ctx context.Context, raw string) (Claims, error) {
	if len(raw) > maxToken {
		return Claims{}, ErrLarge
	}
	if strings.Count(raw, ".") != 2 || strings.ContainsFunc(raw, outsideAlphabet) {
		return Claims{}, ErrMalformed
	}
	var keysErr error
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(v.options...).ParseWithClaims(raw, claims, func(t *jwt.Token) (any, error) {
		var keys any
		keys, keysErr = v.keysFor(ctx, t)
		if keysErr != nil {
			return nil, keysErr
		}
		return keys, nil
	})
	switch {
	case err == nil:
		return v.read(claims)
	case keysErr != nil:
		return Claims{}, keysErr
	}
	return Claims{}, plain(err)
}

// outsideAlphabet finds what no token has (RFC 7515 section 2: "without the inclusion of any line breaks, whitespace, or other additional
// characters"). The decoder of the library passes over line breaks, so one token could be written in many ways.
func outsideAlphabet(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		return false
	}
	return true
}

// keysFor returns the keys that a token may be held against: of its algorithm, and of its key identifier if both have one.
func (v *Verifier) keysFor(ctx context.Context, t *jwt.Token) (any, error) {
	if _, ok := t.Header["crit"]; ok {
		return nil, ErrKey // RFC 7515 section 4.1.11: nothing critical is understood here
	}
	id, ok := t.Header["kid"].(string)
	if !ok && t.Header["kid"] != nil {
		return nil, ErrMalformed
	}
	keys, err := v.opts.Keys.Keys(ctx, id)
	if err != nil {
		return nil, err
	}
	var set jwt.VerificationKeySet
	for _, k := range keys {
		if k.alg == t.Method.Alg() && (k.id == "" || id == "" || k.id == id) {
			set.Keys = append(set.Keys, k.key)
		}
	}
	if len(set.Keys) == 0 {
		return nil, ErrKey
	}
	return set, nil
}

// plain replaces an error of the library, which may quote the token.
func plain(err error) error {
	for _, known := range []struct{ theirs, ours error }{
		{jwt.ErrTokenMalformed, ErrMalformed},
		{jwt.ErrTokenUnverifiable, ErrKey},
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYet},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenRequiredClaimMissing, ErrClaims},
	} {
		if errors.Is(err, known.theirs) {
			return known.ours
		}
	}
	return ErrMalformed
}

// read takes out of the claims what is used of them.
func (v *Verifier) read(claims jwt.MapClaims) (Claims, error) {
	exp, err := claims.GetExpirationTime()
	if err != nil || exp == nil {
		return Claims{}, ErrClaims
	}
	c := Claims{Expires: exp.Add(v.opts.Leeway), Values: make(map[string]string)}
	for name, value := range claims {
		if text, ok := scalar(value); ok { // all of them: a rule that denies may need any, and the token bounds them
			c.Values[name] = text
		}
	}
	if value, there := claims[v.opts.List]; there && v.opts.List != "" {
		text, ok := list(value)
		if !ok {
			return Claims{}, ErrList
		}
		c.Values[v.opts.List] = text
	}
	text, ok := scalar(claims[v.opts.Subject])
	if !ok || text == "" || len(text) > maxSubject {
		return Claims{}, ErrClaims
	}
	c.Subject = text
	return c, nil
}

// list returns a text, or a list of texts with each in a line. One with a line break would be two: it is none.
func list(value any) (string, bool) {
	items, ok := value.([]any)
	if !ok {
		text, ok := value.(string)
		return text, ok
	}
	var b strings.Builder
	for _, item := range items {
		text, ok := item.(string)
		if !ok || strings.Contains(text, "\n") {
			return "", false
		}
		b.WriteString(text)
		b.WriteByte('\n')
	}
	return b.String(), true
}

func scalar(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

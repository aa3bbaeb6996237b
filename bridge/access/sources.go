package access

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/access/callback"
	"mqtt-ws-bridge/bridge/access/passwords"
	"mqtt-ws-bridge/bridge/access/token"
)

// Names of the sources, in logs and templates.
const (
	sourceBasic       = "basic"
	sourceToken       = "token"
	sourceCertificate = "certificate"
	sourceCallback    = "callback"
)

// Basic is user name and password in Authorization: Basic (RFC 7617).
type Basic struct{ Users *passwords.Users }

var errPassword = errors.New("wrong user name or password")

// Identify checks the password.
func (s Basic) Identify(ctx context.Context, r *http.Request, address string) (*Identity, error) {
	value, err := authorization(r, "basic")
	if value == "" || err != nil {
		return nil, err
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil, errPassword
	}
	good, err := s.Users.Check(ctx, bridge.Neighbors(address), user, password)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case !good:
		return nil, errPassword
	}
	return &Identity{Source: sourceBasic, Subject: user, Address: address}, nil
}

var errTwice = errors.New("more than one proof of the same kind")

// authorization returns what stands behind the scheme in Authorization, "" if that is another or there is none.
func authorization(r *http.Request, scheme string) (string, error) {
	values := r.Header.Values("Authorization")
	if len(values) > 1 {
		return "", errTwice
	}
	if len(values) == 0 {
		return "", nil
	}
	name, rest, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(name, scheme) {
		return "", nil
	}
	return strings.TrimSpace(rest), nil
}

// Token is a JSON Web Token, taken from where Find finds it.
type Token struct {
	Verifier *token.Verifier
	Find     Finder
}

// Ready returns nil if tokens can be checked, or why not.
func (s Token) Ready() error { return s.Verifier.Ready() }

// Finder returns the token of a handshake, "" if there is none. An error says that it stands there in a way that it must not.
type Finder func(r *http.Request) (string, error)

// Identify checks the token.
func (s Token) Identify(ctx context.Context, r *http.Request, address string) (*Identity, error) {
	raw, err := s.Find(r)
	if raw == "" || err != nil {
		return nil, err
	}
	claims, err := s.Verifier.Verify(ctx, raw)
	switch {
	case errors.Is(err, token.ErrNoKeys):
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case err != nil:
		return nil, err
	}
	return &Identity{
		Source: sourceToken, Subject: claims.Subject, Claims: claims.Values, Token: raw, Address: address, Expires: claims.Expires,
	}, nil
}

// InBearer finds a token in Authorization: Bearer (RFC 6750 section 2.1).
func InBearer(r *http.Request) (string, error) { return authorization(r, "bearer") }

// InQuery finds a token in a query parameter, for devices that cannot send headers. Whoever logs requests in front of the
// bridge logs it too.
func InQuery(name string) Finder {
	return func(r *http.Request) (string, error) {
		query, err := url.ParseQuery(r.URL.RawQuery)
		values := query[name]
		if len(values) == 0 {
			return "", nil
		}
		if err != nil || len(values) > 1 {
			return "", errTwice
		}
		return values[0], nil
	}
}

// InSubprotocol finds a token behind a prefix, such as "bearer.", in the list of subprotocols, which is the one header that a
// page in a browser can fill. The token is never echoed.
func InSubprotocol(prefix string) Finder {
	return func(r *http.Request) (found string, err error) {
		for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
			for name := range strings.SplitSeq(line, ",") {
				raw, ok := strings.CutPrefix(strings.Trim(name, " \t"), prefix)
				if !ok || raw == "" {
					continue
				}
				if found != "" {
					return "", errTwice
				}
				found = raw
			}
		}
		return found, nil
	}
}

var errOrigin = errors.New("a cookie proves nothing without the Origin of a page that may connect")

// InCookie finds a token in a cookie. A browser sends cookies for any page, so the request must come from one of the origins
// that the operator named, which are compared here once more: there must be at least one (attack 34).
func InCookie(name string, origins []string) (Finder, error) {
	if len(origins) == 0 {
		return nil, errors.New("a token in a cookie needs origins: any page could use it otherwise")
	}
	return func(r *http.Request) (string, error) {
		cookies := r.CookiesNamed(name)
		switch {
		case len(cookies) == 0:
			return "", nil
		case len(cookies) > 1:
			return "", errTwice
		}
		if !fromPage(r, origins) {
			return "", errOrigin
		}
		return cookies[0].Value, nil
	}, nil
}

// fromPage reports whether a browser sent the request for a page of one of these origins. "null" is no origin: any page can have it.
func fromPage(r *http.Request, origins []string) bool {
	sent := r.Header.Values("Origin")
	return len(sent) == 1 && slices.ContainsFunc(origins, func(origin string) bool {
		return origin != "null" && strings.EqualFold(sent[0], origin)
	})
}

// Certificate is the client certificate of TLS, which the listener has verified.
type Certificate struct {
	// Name is what of the certificate names the device: "cn", "dns", "uri" or "email". With the latter three there must be
	// exactly one of that kind.
	Name string
}

var errCertificate = errors.New("client certificate without exactly one name of the demanded kind")

// Identify reads the certificate. It counts only if it was verified against the operator's authorities.
func (s Certificate) Identify(_ context.Context, r *http.Request, address string) (*Identity, error) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil, nil
	}
	cert := r.TLS.VerifiedChains[0][0]
	subject := s.subject(cert)
	if subject == "" {
		return nil, errCertificate
	}
	return &Identity{
		Source: sourceCertificate, Subject: subject, Address: address, Expires: cert.NotAfter, Claims: certificateClaims(cert),
	}, nil
}

func (s Certificate) subject(cert *x509.Certificate) string {
	names := map[string][]string{
		"cn": {cert.Subject.CommonName}, "dns": cert.DNSNames, "uri": links(cert), "email": cert.EmailAddresses,
	}[s.Name]
	if len(names) != 1 {
		return ""
	}
	return names[0]
}

// certificateClaims is what templates may use of a certificate: the first of each kind, of common names the last; "" where there is none.
func certificateClaims(cert *x509.Certificate) map[string]string {
	fingerprint := sha256.Sum256(cert.Raw)
	return map[string]string{
		"cn": cert.Subject.CommonName, "o": first(cert.Subject.Organization), "ou": first(cert.Subject.OrganizationalUnit),
		"issuer": cert.Issuer.CommonName, "serial": fmt.Sprintf("%x", cert.SerialNumber), "fingerprint": hex.EncodeToString(fingerprint[:]),
		"dns": first(cert.DNSNames), "uri": first(links(cert)), "email": first(cert.EmailAddresses),
	}
}

// links are the URIs of a certificate.
func links(cert *x509.Certificate) (all []string) {
	for _, u := range cert.URIs {
		all = append(all, u.String())
	}
	return all
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// Callback is the operator's own service. It is asked for every handshake that no source before it decided.
type Callback struct {
	Service *callback.Service
	// Origins are the pages for which the service hears of cookies. Of a device that names no origin it always does.
	Origins []string
}

// Ready returns nil if the service answers, as far as is known, or why not.
func (s Callback) Ready() error { return s.Service.Ready() }

var errRefused = errors.New("the authentication service refused")

// Identify asks the service.
func (s Callback) Identify(ctx context.Context, r *http.Request, address string) (*Identity, error) {
	if len(r.Header.Values("Authorization")) > 1 {
		return nil, errTwice
	}
	q := callback.Question{
		Authorization: r.Header.Get("Authorization"), Origin: strings.Join(r.Header.Values("Origin"), ", "),
		Subprotocols: strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "),
		URI:          r.URL.RequestURI(), UserAgent: r.UserAgent(), Address: address,
	}
	if q.Origin == "" || fromPage(r, s.Origins) { // a browser sends its cookies for any page (attack 34)
		q.Cookie = strings.Join(r.Header.Values("Cookie"), "; ")
	}
	a, err := s.Service.Ask(ctx, bridge.Neighbors(address), q)
	switch {
	case errors.Is(err, callback.ErrBusy):
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case a.Forbidden:
		return nil, fmt.Errorf("%w: %w", ErrForbidden, errRefused)
	case !a.Allowed:
		return nil, errRefused
	}
	return &Identity{Source: sourceCallback, Subject: a.Subject, Claims: a.Claims, Address: address, Expires: a.Expires}, nil
}

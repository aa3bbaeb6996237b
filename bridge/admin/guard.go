package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// guard keeps pages of other sites out, which reach the server through the browser of an operator: those whose name was made to point at
// it (DNS rebinding) by the Host header, and those that ask for it across origins by what browsers say of that.
type guard struct {
	next  http.Handler
	hosts []string // beside those that are always good
	pages http.CrossOriginProtection
}

// ServeHTTP passes good requests on.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	switch {
	case r.URL.Path == "/healthz" || r.URL.Path == "/readyz": // tell a status, and cost nothing
	case !g.hostAllowed(r.Host):
		answer(w, http.StatusMisdirectedRequest, "the name in the Host header is not one of this server's; admin.hosts may name it")
		return
	case g.isForeign(r):
		answer(w, http.StatusForbidden, "pages of other origins get nothing here")
		return
	}
	g.next.ServeHTTP(w, r)
}

// hostAllowed reports whether a stranger could not have made the name up. An IP address needs no name that could point elsewhere first.
// A name of one label, such as localhost or that of a container, is nobody's to sell.
func (g *guard) hostAllowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || slices.ContainsFunc(g.hosts, func(allowed string) bool {
		return strings.EqualFold(allowed, host)
	})
}

// isForeign reports whether a browser says that a page of another origin asks. A link that a person follows is no such thing, but profiles
// are not for links. All methods are judged as one that changes something: nothing here does, but profiles cost.
func (g *guard) isForeign(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && r.Method == http.MethodGet &&
		!strings.HasPrefix(r.URL.Path, profilesPath) {
		return false
	}
	asked := *r
	asked.Method = http.MethodPost
	return g.pages.Check(&asked) != nil
}

package upstream

import (
	"fmt"
	"net/url"
)

// target is where a broker is.
type target struct {
	scheme  string // tcp, tls, unix, ws or wss
	address string // host:port, or the path of a unix socket
	host    string // for TLS
	url     string // for ws and wss
	name    string // for logs: without the query, which may hold a token
}

// newTarget takes a URL with one of the schemes above, a host with a port and no user name.
func newTarget(u *url.URL) (t target, err error) {
	t = target{scheme: u.Scheme, address: u.Host, host: u.Hostname(), url: u.String(), name: u.Scheme + "://" + u.Host + u.Path}
	switch u.Scheme {
	case "unix":
		t.address, t.name = u.Path, "unix://"+u.Path
	case "tcp", "tls", "ws", "wss":
		if u.Port() == "" || t.host == "" {
			return t, fmt.Errorf("broker URL with scheme %s needs a host and a port", u.Scheme)
		}
	default:
		return t, fmt.Errorf("broker URL with scheme %q; tcp, tls, unix, ws and wss are known", u.Scheme)
	}
	return t, nil
}

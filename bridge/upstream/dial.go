package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
)

// dialer opens connections to brokers. Safe for concurrent use.
type dialer struct {
	tls         *tls.Config // never nil; cloned for each connection
	headers     http.Header
	subprotocol string
}

// dial connects to t. The caller owns the connection.
func (d *dialer) dial(ctx context.Context, t *target) (net.Conn, error) {
	var nd net.Dialer
	switch t.scheme {
	case "tcp", "unix":
		return nd.DialContext(ctx, t.scheme, t.address)
	case "tls":
		td := tls.Dialer{NetDialer: &nd, Config: d.tlsFor(t)}
		return td.DialContext(ctx, "tcp", t.address)
	default:
		return d.dialWebSocket(ctx, t)
	}
}

func (d *dialer) tlsFor(t *target) *tls.Config {
	c := d.tls.Clone()
	if c.ServerName == "" {
		c.ServerName = t.host
	}
	return c
}

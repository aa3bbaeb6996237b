package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

// dialer opens connections to brokers. Safe for concurrent use.
type dialer struct {
	tls         func() *tls.Config // never nil; what it returns is cloned for each connection
	headers     http.Header
	subprotocol string

	trust Trust
	alpn  []string // for tls
	proxy Proxy

	proxyProtocol int           // version of the PROXY header; 0: none
	pingInterval  time.Duration // of WebSockets; 0: none

	extra chan struct{}  // of mostExtra; shared by all dialers of a pool
	slow  *slowAddresses // likewise
}

// dial connects to t for a device, or for the bridge itself if device is nil. The caller owns the connection.
func (d *dialer) dial(ctx context.Context, t *target, device *bridge.DeviceInfo) (net.Conn, error) {
	switch t.scheme {
	case "tcp", "unix":
		return d.open(ctx, t.scheme, t.address, device)
	case "tls":
		nc, err := d.open(ctx, "tcp", t.address, device)
		if err != nil {
			return nil, err
		}
		tc := tls.Client(tlsrecords.Below(nc), d.tlsFor(t))
		if err := tc.HandshakeContext(ctx); err != nil {
			nc.Close()
			return nil, hint(err)
		}
		return tlsrecords.Gather(tc), nil
	default:
		return d.dialWebSocket(ctx, t, device)
	}
}

// hint adds the way out to an error of TLS that has one.
func hint(err error) error {
	if err != nil && strings.Contains(err.Error(), "Common Name") { // a text that crypto/x509 has no type for
		return fmt.Errorf("%w (upstream.tls.common-name accepts it)", err)
	}
	return err
}

// open connects a socket and says in a PROXY header for whom, where that is configured.
func (d *dialer) open(ctx context.Context, network, address string, device *bridge.DeviceInfo) (net.Conn, error) {
	var nc net.Conn
	var err error
	if network == "unix" {
		nc, err = new(net.Dialer).DialContext(ctx, network, address)
	} else {
		nc, err = d.reach(ctx, address)
	}
	if err != nil || d.proxyProtocol == 0 {
		return nc, err
	}
	header, err := proxyHeader(d.proxyProtocol, device)
	if err == nil {
		_, err = nc.Write(header) // the first bytes of a connection always have room
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("write the PROXY header: %w", err)
	}
	return nc, nil
}

// reach opens a TCP connection to host:port, through the proxy if there is one.
func (d *dialer) reach(ctx context.Context, address string) (net.Conn, error) {
	if d.proxy.Address == "" {
		return d.connect(ctx, address)
	}
	nc, err := d.connect(ctx, d.proxy.Address)
	if err != nil {
		return nil, fmt.Errorf("reach the proxy %s: %w", d.proxy.Address, err)
	}
	if err := d.proxy.tunnel(ctx, nc, address); err != nil {
		nc.Close()
		return nil, fmt.Errorf("proxy %s, asked to CONNECT: %w", d.proxy.Address, err)
	}
	return nc, nil
}

func (d *dialer) tlsFor(t *target) *tls.Config {
	c := d.tls().Clone()
	if c.ServerName == "" {
		c.ServerName = t.host
	}
	if t.scheme == "tls" {
		c.NextProtos = d.alpn
	}
	d.trust.apply(c, c.ServerName)
	return c
}

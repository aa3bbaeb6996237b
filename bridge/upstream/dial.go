package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/tlsrecords"
)

// dialer opens connections to brokers. Safe for concurrent use.
type dialer struct {
	tls         func() *tls.Config // never nil; what it returns is cloned for each connection
	headers     http.Header
	subprotocol string

	proxyProtocol int // version of the PROXY header; 0: none

	extra chan struct{} // of mostExtra
	slow  slowAddresses
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
			return nil, err
		}
		return tlsrecords.Gather(tc), nil
	default:
		return d.dialWebSocket(ctx, t, device)
	}
}

// open connects a socket and says in a PROXY header for whom, where that is configured.
func (d *dialer) open(ctx context.Context, network, address string, device *bridge.DeviceInfo) (net.Conn, error) {
	var nc net.Conn
	var err error
	if network == "unix" {
		nc, err = new(net.Dialer).DialContext(ctx, network, address)
	} else {
		nc, err = d.connect(ctx, address)
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

func (d *dialer) tlsFor(t *target) *tls.Config {
	c := d.tls().Clone()
	if c.ServerName == "" {
		c.ServerName = t.host
	}
	return c
}

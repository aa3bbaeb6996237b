package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Endpoint says where devices connect to. It is read-only once in use and safe for concurrent use.
type Endpoint struct {
	URL     *url.URL
	TLS     *tls.Config   // used by wss and ssl; nil means the system's roots
	Timeout time.Duration // for TCP and TLS together; 0 means 10 s
	// Source, when valid, is where device connections come from: spread over the prefix, PortsPerAddress each.
	Source netip.Prefix
	// Open replaces the TCP dial, for tests.
	Open func(ctx context.Context, network, address string) (net.Conn, error)
}

// PortsPerAddress is how many connections share one source address before the next one is taken.
const PortsPerAddress = 20000

var ports = map[string]string{"ws": "80", "wss": "443", "tcp": "1883", "mqtt": "1883", "ssl": "8883", "mqtts": "8883", "tls": "8883"}

// NewEndpoint parses a URL of one of the schemes ws, wss, tcp (mqtt) and ssl (mqtts, tls).
func NewEndpoint(raw string, config *tls.Config) (*Endpoint, error) {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, fmt.Errorf("%q has no scheme: want %s, or the same with %s", raw, likely(raw)+"://"+raw, others(likely(raw)))
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%q is not a URL: %w", raw, err)
	}
	switch {
	case u.Hostname() != "" && (scheme == "http" || scheme == "https"):
		return nil, fmt.Errorf("%q: want ws%s://%s, a WebSocket", raw, strings.TrimPrefix(scheme, "http"), rest)
	case ports[u.Scheme] == "" || u.Hostname() == "":
		return nil, fmt.Errorf("%q: want ws://HOST:PORT/PATH, or the same with wss, tcp or ssl", raw)
	}
	return &Endpoint{URL: u, TLS: config}, nil
}

// likely guesses the scheme of an address that has none, by its port.
func likely(address string) string {
	authority, _, _ := strings.Cut(address, "/")
	_, port, _ := net.SplitHostPort(authority)
	switch port {
	case "1883":
		return "tcp"
	case "8883":
		return "ssl"
	case "443", "8084", "8443":
		return "wss"
	}
	return "ws"
}

func others(scheme string) string {
	all := slices.DeleteFunc([]string{"ws", "wss", "tcp", "ssl"}, func(s string) bool { return s == scheme })
	return all[0] + ", " + all[1] + " or " + all[2]
}

// WebSocket reports whether MQTT travels in frames here.
func (e *Endpoint) WebSocket() bool { return e.URL.Scheme == "ws" || e.URL.Scheme == "wss" }

// Secure reports whether TLS is spoken.
func (e *Endpoint) Secure() bool {
	switch e.URL.Scheme {
	case "wss", "ssl", "mqtts", "tls":
		return true
	}
	return false
}

// Port is the explicit or default port.
func (e *Endpoint) Port() string {
	if p := e.URL.Port(); p != "" {
		return p
	}
	return ports[e.URL.Scheme]
}

// Address is host:port.
func (e *Endpoint) Address() string { return net.JoinHostPort(e.URL.Hostname(), e.Port()) }

// Dial opens the n-th device's connection, TLS included. The caller closes it.
func (e *Endpoint) Dial(ctx context.Context, n int) (net.Conn, error) {
	timeout := e.Timeout
	if timeout == 0 {
		timeout = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	open := e.Open
	if open == nil {
		dialer := net.Dialer{KeepAlive: -1}
		if e.Source.IsValid() {
			dialer.LocalAddr, dialer.Control = &net.TCPAddr{IP: sourceAddress(e.Source, n).AsSlice()}, portAtConnect
		}
		open = dialer.DialContext
	}
	conn, err := open(ctx, "tcp", e.Address())
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", e.Address(), explain(err))
	}
	if !e.Secure() {
		return conn, nil
	}
	secure := tls.Client(conn, e.tlsConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS with %s: %w", e.Address(), err)
	}
	return secure, nil
}

func (e *Endpoint) tlsConfig() *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.TLS != nil {
		config = e.TLS.Clone()
	}
	if config.ServerName == "" {
		config.ServerName = e.URL.Hostname()
	}
	return config
}

// sourceAddress picks the n-th device's address: the first usable one of the prefix, plus one for every
// PortsPerAddress devices.
func sourceAddress(prefix netip.Prefix, n int) netip.Addr {
	addr := prefix.Addr()
	if addr == prefix.Masked().Addr() {
		addr = addr.Next()
	}
	for range n / PortsPerAddress {
		if next := addr.Next(); prefix.Contains(next) {
			addr = next
		}
	}
	return addr
}

// explain adds what to do to errors that have one answer.
func explain(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (is it listening there?)", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w (raise the limit: ulimit -n)", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w (local ports used up: spread with --source 127.0.0.0/8)", err)
	}
	return err
}

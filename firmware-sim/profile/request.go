package profile

import (
	"math/rand/v2"
	"net"
	"strings"

	"mqtt-ws-bridge/firmware-sim/wire"
)

// Build writes the upgrade request a library would send to e.
func (r Request) Build(e *wire.Endpoint, rng *rand.Rand, extra ...string) wire.Request {
	var nonce [16]byte
	for i := range nonce {
		nonce[i] = byte(rng.Uint32())
	}
	req := wire.Request{Path: r.path(e, rng), Key: wire.Key(nonce)}
	req.Lines = append(req.Lines, "Host: "+r.host(e), "Upgrade: websocket", "Connection: Upgrade")
	switch r.Origin {
	case FileOrigin:
		req.Lines = append(req.Lines, "Origin: file://")
	case URLOrigin:
		scheme := "http"
		if e.Secure() {
			scheme = "https"
		}
		req.Lines = append(req.Lines, "Origin: "+scheme+"://"+e.Address())
	}
	if r.UserAgent != "" {
		req.Lines = append(req.Lines, "User-Agent: "+r.UserAgent)
	}
	req.Lines = append(req.Lines, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: "+req.Key)
	if len(r.Subprotocols) > 0 {
		name := r.Protocol
		if name == "" {
			name = "Sec-WebSocket-Protocol"
		}
		req.Lines = append(req.Lines, name+": "+strings.Join(r.Subprotocols, ", "))
	}
	if r.Extensions != "" {
		req.Lines = append(req.Lines, "Sec-WebSocket-Extensions: "+r.Extensions)
	}
	req.Lines = append(req.Lines, extra...)
	return req
}

func (r Request) host(e *wire.Endpoint) string {
	host, port := e.URL.Hostname(), e.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	defaultPort := "80"
	if e.Secure() {
		defaultPort = "443"
	}
	switch r.Host {
	case HostNoDefaultPort:
		if port == defaultPort {
			return host
		}
	case HostOnly:
		return host
	case HostLocalhost:
		return "localhost"
	case Host443:
		return host + ":443"
	}
	return net.JoinHostPort(e.URL.Hostname(), port)
}

func (r Request) path(e *wire.Endpoint, rng *rand.Rand) string {
	path := e.URL.RequestURI()
	if e.URL.Path == "" {
		path = r.Path
		if e.URL.RawQuery != "" {
			path += "?" + e.URL.RawQuery
		}
	}
	if r.QueryBytes == 0 {
		return path
	}
	return path + presigned(strings.Contains(path, "?"), r.QueryBytes, rng)
}

// presigned imitates the query of a cloud vendor's presigned URL: escaped, order-sensitive, long.
func presigned(more bool, n int, rng *rand.Rand) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.WriteByte('?')
	if more {
		b.Reset()
		b.WriteByte('&')
	}
	b.WriteString("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SIMULATED%2F20260101%2Feu%2Fiotdevicegateway%2Faws4_request" +
		"&X-Amz-Date=20260101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Signature=")
	for range 64 {
		b.WriteByte(hex[rng.IntN(16)])
	}
	b.WriteString("&X-Amz-Security-Token=")
	for b.Len() < n-3 {
		b.WriteByte(hex[rng.IntN(16)])
	}
	b.WriteString("%3D")
	return b.String()
}

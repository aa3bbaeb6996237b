package upstream

import (
	"crypto/tls"
	"net"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"mqtt-ws-bridge/bridge"
)

// proxyHeader is a PROXY header for a connection made for a device. Where there is no device, or its address is no IP address,
// the header says that the connection is the bridge's own: LOCAL in version 2, UNKNOWN in version 1.
func proxyHeader(version int, device *bridge.DeviceInfo) ([]byte, error) {
	var source, local *net.TCPAddr
	if device != nil {
		source, _ = device.Addr.(*net.TCPAddr)
		local, _ = device.Local.(*net.TCPAddr)
	}
	if source == nil {
		return proxyproto.HeaderProxyFromAddrs(byte(version), nil, nil).Format()
	}
	if local == nil { // the device's proxy came through a unix socket
		local = &net.TCPAddr{IP: net.IPv4zero}
		if source.IP.To4() == nil {
			local.IP = net.IPv6unspecified
		}
	}
	h := proxyproto.HeaderProxyFromAddrs(byte(version), source, local)
	if version == 2 && device.TLS != nil {
		tlv, err := sslTLV(device.TLS)
		if err != nil {
			return nil, err
		}
		if err := h.SetTLVs([]proxyproto.TLV{tlv}); err != nil {
			return nil, err
		}
	}
	return h.Format()
}

// sslTLV tells what TLS the device speaks with the bridge: the version and, of a certificate that was verified, the common name.
// The names are those of the PROXY protocol's section 2.2.6.
func sslTLV(state *tls.ConnectionState) (proxyproto.TLV, error) {
	ssl := tlvparse.PP2SSL{
		Client: tlvparse.PP2_BITFIELD_CLIENT_SSL,
		Verify: 1, // anything but 0: no certificate was verified
		TLV:    []proxyproto.TLV{{Type: proxyproto.PP2_SUBTYPE_SSL_VERSION, Value: []byte(tlsVersion(state.Version))}},
	}
	if len(state.VerifiedChains) > 0 {
		ssl.Verify = 0
		ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_SESS
		if !state.DidResume {
			ssl.Client |= tlvparse.PP2_BITFIELD_CLIENT_CERT_CONN
		}
		if name := state.VerifiedChains[0][0].Subject.CommonName; plain(name) {
			ssl.TLV = append(ssl.TLV, proxyproto.TLV{Type: proxyproto.PP2_SUBTYPE_SSL_CN, Value: []byte(name)})
		}
	}
	return ssl.Marshal()
}

// tlsVersion is a version as OpenSSL and HAProxy spell it.
func tlsVersion(version uint16) string {
	return strings.ReplaceAll(tls.VersionName(version), "TLS 1.", "TLSv1.")
}

// maxName is how much of a common name is passed on: RFC 5280 appendix A allows 64 characters.
const maxName = 64 * utf8.UTFMax

// plain reports whether a name can be passed on as it is: brokers log it and compare it. One with control characters is left out.
func plain(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

package config

import (
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// Address is where the bridge listens.
type Address struct {
	Network string // tcp or unix, as net.Listen wants it
	Address string // host:port, or the path of a socket
	TLS     bool
	// Mode and Group are of the file of a socket. 0 and "": as the umask and the process have it.
	Mode  fs.FileMode
	Group string
}

// ParseListen reads one item of listen: host:port, ws://host:port, wss://host:port or unix:///path?mode=0660&group=NAME.
func ParseListen(text string) (Address, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		scheme, rest = "ws", text
	}
	switch scheme {
	case "unix":
		return parseSocket(rest, text)
	case "ws", "wss":
		if host, _, found := strings.Cut(rest, "/"); found {
			return Address{}, flawf("write "+scheme+"://"+redact(host)+" and put the path under paths", "%s has a path", show(text))
		}
		if err := checkHostPort(rest, text); err != nil {
			return Address{}, err
		}
		return Address{Network: "tcp", Address: rest, TLS: scheme == "wss"}, nil
	}
	return Address{}, flawf("use ws://, wss:// or unix://, or only host:port", "%s has an unknown scheme", show(text))
}

// parseSocket reads what follows unix://.
func parseSocket(rest, said string) (Address, error) {
	path, query, _ := strings.Cut(rest, "?")
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
		return Address{}, flawf("write unix:///run/mqtt-ws-bridge.sock", "%s names no absolute path", show(said))
	}
	a := Address{Network: "unix", Address: path}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case part == "" && !strings.Contains(rest, "?"):
		case seen[name]:
			return Address{}, flawf("remove one", "%s has %s twice", show(said), name)
		case name == "mode":
			mode, err := strconv.ParseUint(value, 8, 32)
			if err != nil || mode == 0 || mode&^0o777 != 0 {
				return Address{}, flawf("write an octal number such as mode=0660", "%s has a bad mode", show(said))
			}
			a.Mode = fs.FileMode(mode)
		case name == "group":
			if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(":/%,", r) }) {
				return Address{}, flawf("write the name or number of a group, such as group=www-data", "%s has a bad group", show(said))
			}
			a.Group = value
		default:
			return Address{}, flawf("after ? write mode=0660, group=www-data or both with & between", "%s has an unknown setting", show(said))
		}
		seen[name] = true
	}
	return a, nil
}

func checkHostPort(address, said string) error {
	if _, err := strconv.Atoi(address); err == nil {
		return flawf("write :"+address, "%s is a port without a colon", show(said))
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "" {
		return flawf("write host:port, such as :8083 or 127.0.0.1:8083", "%s has no port", show(said))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return flawf("use a number from 0 to 65535", "%s has a bad port", show(said))
	}
	if !hostname(host) {
		return flawf("write an IP address, a host name or nothing before the colon", "%s has a bad host", show(said))
	}
	return nil
}

// hostname reports whether host may stand in an address; empty means every interface. A colon belongs to IPv6 alone.
func hostname(host string) bool {
	if strings.Contains(host, ":") {
		if _, err := netip.ParseAddr(host); err != nil {
			return false
		}
	}
	return !strings.ContainsFunc(host, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`/\@?#"'<>[]{}|^,;*`, r)
	})
}

// brokerSchemes maps what may be written to the scheme it means and its default port.
var brokerSchemes = map[string]struct{ scheme, port string }{
	"tcp":   {"tcp", "1883"},
	"mqtt":  {"tcp", "1883"},
	"tls":   {"tls", "8883"},
	"mqtts": {"tls", "8883"},
	"ssl":   {"tls", "8883"},
	"ws":    {"ws", "80"},
	"wss":   {"wss", "443"},
	"unix":  {"unix", ""},
}

// ParseUpstream reads one broker URL. The result has scheme tcp, tls, ws, wss or unix; Host is host:port, or empty for
// unix, where Path is the socket. User is always nil. The error never repeats userinfo or query.
func ParseUpstream(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		return nil, flawf("write tcp://HOST:PORT or tls://HOST:PORT", "%s has no scheme", show(text))
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, flawf("write SCHEME://HOST:PORT", "%s is not a URL", show(text))
	}
	known, ok := brokerSchemes[u.Scheme]
	if !ok {
		return nil, flawf("use tcp, tls, unix, ws or wss", "%s has an unknown scheme", show(text))
	}
	if u.User != nil {
		return nil, flawf("remove it; a device's own CONNECT carries its credentials", "%s holds a user name or password", show(text))
	}
	u.Scheme = known.scheme
	if u.Fragment != "" || strings.Contains(text, "#") {
		return nil, flawf("remove the # and what follows", "%s has a fragment", show(text))
	}
	if u.Scheme == "unix" {
		if u.Host != "" || len(u.Path) < 2 || u.RawQuery != "" {
			return nil, flawf("write unix:///run/broker.sock", "%s names no absolute path", show(text))
		}
		return u, nil
	}
	return networkBroker(u, known.port, text)
}

func networkBroker(u *url.URL, port, said string) (*url.URL, error) {
	host := u.Hostname()
	if host == "" || !hostname(host) {
		return nil, flawf("write SCHEME://HOST:PORT, an IPv6 address in brackets", "%s has no valid host", show(said))
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return nil, flawf("use a number from 1 to 65535", "%s has a bad port", show(said))
	}
	u.Host = net.JoinHostPort(host, port)
	if u.Scheme == "tcp" || u.Scheme == "tls" {
		if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			return nil, flawf("remove what follows the port, or use ws:// or wss://", "%s has a path", show(said))
		}
		u.Path = ""
	}
	return u, nil
}

// ParseProxy reads the URL of an HTTP proxy and returns its host:port. The error never repeats userinfo or query.
func ParseProxy(text string) (address string, err error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "":
		return "", flawf("write http://HOST:PORT", "%s is not the URL of an HTTP proxy", show(text))
	case u.User != nil:
		return "", flawf("write them into upstream.proxy.username and upstream.proxy.password", "%s holds a user name or password", show(text))
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || strings.Contains(text, "#"):
		return "", flawf("remove what follows the port", "%s has a path", show(text))
	}
	if u, err = networkBroker(u, "", text); err != nil {
		return "", err
	}
	return u.Host, nil
}

// ParsePin reads a public key as it stands in upstream.tls.pins.
func ParsePin(text string) (sum [sha256.Size]byte, err error) {
	encoded, ok := strings.CutPrefix(text, "sha256/")
	data, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(data) != len(sum) {
		return sum, flawf("write sha256/ and the base64 of 32 bytes; docs/security.md has the command", "%s is not a pin", show(text))
	}
	return [sha256.Size]byte(data), nil
}

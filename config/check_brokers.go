package config

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// brokers checks the upstream URLs and that what is set beside them can have an effect.
func (c *checker) brokers() {
	up := &c.cfg.Upstream
	if up.Subprotocol != "" && !token(up.Subprotocol) && c.sound("upstream.subprotocol") {
		c.refuse("upstream.subprotocol", flawf("write one word, such as mqtt", "%s is not a subprotocol name", show(up.Subprotocol)))
	}
	seen := map[string]bool{}
	var tls, web, plainTLS, network bool
	for i, text := range up.URLs {
		path := fmt.Sprintf("upstream.urls[%d]", i)
		u, err := ParseUpstream(text)
		if err != nil {
			c.refuse(path, err)
			continue
		}
		if seen[u.String()] {
			c.refuse(path, flawf("remove one", "%s is given twice", show(text)))
		}
		seen[u.String()] = true
		tls = tls || u.Scheme == "tls" || u.Scheme == "wss"
		plainTLS = plainTLS || u.Scheme == "tls"
		network = network || u.Scheme != "unix"
		web = web || u.Scheme == "ws" || u.Scheme == "wss"
	}
	if !c.sound("upstream.urls") {
		return
	}
	for _, set := range []struct {
		key string
		is  bool
	}{
		{"ca", up.TLS.CA != ""}, {"cert", up.TLS.Cert != ""}, {"server-name", up.TLS.ServerName != ""},
		{"pins", len(up.TLS.Pins) > 0}, {"common-name", up.TLS.CommonName}, {"ciphers", len(up.TLS.Ciphers) > 0},
	} {
		if set.is && !tls {
			c.refuse("upstream.tls."+set.key, flawf("write tls:// or wss:// in upstream.urls, or remove it", "no broker is reached through TLS"))
		}
	}
	if len(up.TLS.ALPN) > 0 && !plainTLS {
		c.refuse("upstream.tls.alpn", flawf("write tls:// in upstream.urls, or remove it", "no broker is reached through TLS without WebSocket"))
	}
	if up.PingInterval > 0 && !web {
		c.refuse("upstream.ping-interval", flawf("write ws:// or wss:// in upstream.urls, or remove it", "no broker is reached through WebSocket"))
	}
	if up.Proxy.URL != "" && !network {
		c.refuse("upstream.proxy.url", flawf("name a broker that is not unix:// in upstream.urls, or remove it", "no broker is reached through the network"))
	}
	if up.ProxyProtocol != "off" && len(up.URLs) == 0 && c.sound("upstream.proxy-protocol") {
		c.refuse("upstream.proxy-protocol", flawf("name a broker in upstream.urls, or remove it", "the embedded broker reads no PROXY header"))
	}
	if len(up.Headers) > 0 && !web {
		c.refuse("upstream.headers", flawf("write ws:// or wss:// in upstream.urls, or remove it", "no broker is reached through WebSocket"))
	}
}

// brokerTLS checks what upstream.tls says of protocols and keys.
func (c *checker) brokerTLS() {
	t := &c.cfg.Upstream.TLS
	for i, name := range t.ALPN {
		if name == "" || len(name) > 255 { // RFC 7301 section 3.1
			c.refuse(fmt.Sprintf("upstream.tls.alpn[%d]", i), flawf("write a name of 1 to 255 bytes", "%s is not an ALPN protocol name", show(name)))
		}
	}
	for i, pin := range t.Pins {
		if _, err := ParsePin(pin); err != nil {
			c.refuse(fmt.Sprintf("upstream.tls.pins[%d]", i), err)
		}
	}
}

// proxy checks the way to brokers through a proxy.
func (c *checker) proxy() {
	p := &c.cfg.Upstream.Proxy
	if p.URL != "" {
		if _, err := ParseProxy(p.URL); err != nil {
			c.refuse("upstream.proxy.url", err)
		}
	}
	switch {
	case p.URL == "" && p.Username != "":
		c.refuse("upstream.proxy.username", flawf("set upstream.proxy.url, or remove it", "there is no proxy"))
	case p.Username == "" && p.Password != "":
		c.refuse("upstream.proxy.password", flawf("set upstream.proxy.username as well", "has no user name to go with"))
	case strings.Contains(p.Username, ":"): // RFC 7617 section 2
		c.refuse("upstream.proxy.username", flawf("write the name alone", "a user name for a proxy holds no colon"))
	case strings.ContainsFunc(p.Username+string(p.Password), func(r rune) bool { return r < ' ' || r == 0x7f }):
		c.refuse("upstream.proxy.username", flawf("write both on one line", "the user name or the password holds a control character"))
	}
}

// handshakeHeaders belong to the WebSocket handshake itself.
var handshakeHeaders = []string{"Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding"}

// headers checks names and values; values are never repeated.
func (c *checker) headers() {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Upstream.Headers)) {
		path, value := "upstream.headers."+name, string(c.cfg.Upstream.Headers[name])
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !token(name):
			c.refuse("upstream.headers", flawf("write a header's name, such as Authorization", "%s is not a header name", show(name)))
		case slices.Contains(handshakeHeaders, canonical) || strings.HasPrefix(canonical, "Sec-Websocket-"):
			c.refuse(path, flawf("remove it; the bridge sets it from the URL and upstream.subprotocol", "belongs to the handshake"))
		case seen[canonical] != "":
			c.refuse(path, flawf("keep one of them", "is the same header as %s", seen[canonical]))
		case value == "" || strings.TrimSpace(value) != value:
			c.refuse(path, flawf("write the value without spaces around it", "the value is empty or begins or ends with a space"))
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			c.refuse(path, flawf("write the value on one line", "the value holds a control character"))
		}
		seen[canonical] = name
	}
}

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
	var tls, web bool
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
		web = web || u.Scheme == "ws" || u.Scheme == "wss"
	}
	if !c.sound("upstream.urls") {
		return
	}
	for _, set := range [][2]string{{"ca", up.TLS.CA}, {"cert", up.TLS.Cert}, {"server-name", up.TLS.ServerName}} {
		if set[1] != "" && !tls {
			c.refuse("upstream.tls."+set[0], flawf("write tls:// or wss:// in upstream.urls, or remove it", "no broker is reached through TLS"))
		}
	}
	if up.ProxyProtocol != "off" && len(up.URLs) == 0 && c.sound("upstream.proxy-protocol") {
		c.refuse("upstream.proxy-protocol", flawf("name a broker in upstream.urls, or remove it", "the embedded broker reads no PROXY header"))
	}
	if len(up.Headers) > 0 && !web {
		c.refuse("upstream.headers", flawf("write ws:// or wss:// in upstream.urls, or remove it", "no broker is reached through WebSocket"))
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

package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// listeners checks every address the bridge would listen at, alone and against the others.
func (c *checker) listeners() {
	if len(c.cfg.Listen) == 0 {
		c.refuse("listen", flawf("write at least one address, such as :8083", "is empty"))
	}
	taken := new([]listenAddress)
	for i, text := range c.cfg.Listen {
		path := fmt.Sprintf("listen[%d]", i)
		address, err := ParseListen(text)
		if err != nil {
			c.refuse(path, err)
			continue
		}
		if address.TLS && c.cfg.TLS.Cert == "" && len(c.cfg.TLS.Certificates) == 0 && c.sound("tls.cert", "tls.certificates") {
			c.refuse(path, flawf("set tls.cert and tls.key", "%s needs a certificate", show(text)))
		}
		c.claim(taken, path, text, address)
	}
	if text := c.cfg.Embedded.Listen; text != "" && c.sound("embedded.listen") {
		err := checkHostPort(text, text)
		if strings.Contains(text, "://") {
			err = flawf("write host:port", "%s has a scheme", show(text))
		}
		if err != nil {
			c.refuse("embedded.listen", err)
		} else if len(c.cfg.Upstream.URLs) == 0 && c.sound("upstream.urls") {
			c.claim(taken, "embedded.listen", text, Address{Network: "tcp", Address: text})
		}
	}
	if text := c.cfg.Admin.Listen; text != "" && c.sound("admin.listen") {
		address, err := ParseListen(text)
		if err == nil && strings.Contains(text, "://") && address.Network == "tcp" {
			err = flawf("write host:port without a scheme", "%s is plain HTTP for the operator", show(text))
		}
		if err != nil {
			c.refuse("admin.listen", err)
			return
		}
		c.claim(taken, "admin.listen", text, address)
	}
}

// adminHosts checks that admin.hosts has names and nothing else: they are compared with the Host header without its port.
func (c *checker) adminHosts() {
	for i, name := range c.cfg.Admin.Hosts {
		if name == "" || strings.ContainsAny(name, "/:*@ \t") {
			c.refuse(fmt.Sprintf("admin.hosts[%d]", i), flawf("write a name such as bridge.example.com, without scheme, port or *",
				"%s is no host name", show(name)))
		}
	}
}

// listenAddress is where something listens.
type listenAddress struct {
	path string // the key that says so
	host string // of TCP; the file of a socket
	port string // "" for a socket
}

// meets reports whether two cannot listen at the same time. A wildcard takes the port on every address: the one of IPv4 on those
// of IPv4, the others on all.
func (p listenAddress) meets(q listenAddress) bool {
	if p.port != q.port {
		return false
	}
	covers := func(wide, narrow string) bool {
		ip, err := netip.ParseAddr(narrow)
		return wide == "" || wide == "0.0.0.0" && (err != nil || ip.Is4() || ip.Is4In6() || ip.IsUnspecified())
	}
	return p.host == q.host || p.port != "" && (covers(p.host, q.host) || covers(q.host, p.host))
}

// claim notes that the address at path is taken, and a problem if it already was. Port 0 is a different port each time.
func (c *checker) claim(taken *[]listenAddress, path, text string, address Address) {
	p := listenAddress{path: path, host: address.Address}
	if host, port, err := net.SplitHostPort(address.Address); err == nil && address.Network == "tcp" {
		if p.port = strings.TrimLeft(port, "0"); p.port == "" {
			return
		}
		if p.host = strings.ToLower(host); p.host == "localhost" {
			p.host = "127.0.0.1"
		} else if p.host == "::" {
			p.host = ""
		}
	}
	for _, q := range *taken {
		if p.meets(q) {
			c.refuse(path, flawf("remove one or change its port", "%s is already taken by %s", show(text), q.path))
			return
		}
	}
	*taken = append(*taken, p)
}

// handshake checks what the WebSocket handshake is held against.
func (c *checker) handshake() {
	if len(c.cfg.Paths) == 0 && c.sound("paths") {
		c.refuse("paths", flawf("write at least one, such as /mqtt", "is empty"))
	}
	seen := map[string]bool{}
	for i, path := range c.cfg.Paths {
		place := fmt.Sprintf("paths[%d]", i)
		switch {
		case !strings.HasPrefix(path, "/"):
			c.refuse(place, flawf("write "+show("/"+path), "%s does not begin with a slash", show(path)))
		case !plainPath(strings.TrimSuffix(path, "/*")):
			c.refuse(place, flawf("write the plain path a device asks for, or one with /* at its end", "%s is not a plain path", show(path)))
		case seen[path]:
			c.refuse(place, flawf("remove one", "%s is given twice", show(path)))
		}
		seen[path] = true
	}
	switch path := c.cfg.HealthPath; {
	case path == "":
	case !strings.HasPrefix(path, "/") || !plainPath(path):
		c.refuse("health-path", flawf("write a plain path such as /healthz, or off", "%s is not a plain path", show(path)))
	case seen[path] && c.sound("paths"):
		c.refuse("health-path", flawf("choose another, or off", "%s is one of paths, where devices connect", show(path)))
	}
	for i, origin := range c.cfg.Origins {
		if err := checkOrigin(origin); err != nil {
			c.refuse(fmt.Sprintf("origins[%d]", i), err)
		}
	}
	for i, name := range c.cfg.Subprotocol.Extra {
		if !token(name) {
			c.refuse(fmt.Sprintf("subprotocol.extra[%d]", i), flawf("write one word, such as arduino", "%s is not a subprotocol name", show(name)))
		}
	}
}

// plainPath reports whether a path is written without anything that URLs and patterns have a meaning for.
func plainPath(path string) bool {
	return !strings.ContainsAny(path, "?#%*\\") && hostname(strings.ReplaceAll(path, "/", ""))
}

// checkOrigin accepts what a browser sends in Origin: scheme://host[:port], null, or file://.
func checkOrigin(origin string) error {
	if origin == "null" || origin == "file://" {
		return nil
	}
	if strings.Contains(origin, "*") {
		return flawf("list each one; an empty list accepts every origin", "%s is a pattern", show(origin))
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || !hostname(u.Hostname()) {
		return flawf("write scheme://host[:port], such as https://app.example.com", "%s is not an origin", show(origin))
	}
	if exact := u.Scheme + "://" + u.Host; origin != exact {
		return flawf("write "+exact, "%s has more than scheme, host and port", show(origin))
	}
	if lower := strings.ToLower(origin); origin != lower {
		return flawf("write "+lower, "%s has capitals, which no browser sends", show(origin))
	}
	return nil
}

// token reports whether name is a token of RFC 9110, section 5.6.2.
func token(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

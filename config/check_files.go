package config

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
)

// certificates checks that the certificate keys agree and that the files can be used.
func (c *checker) certificates() {
	c.pair("tls", c.cfg.TLS.Cert, c.cfg.TLS.Key)
	c.pair("upstream.tls", c.cfg.Upstream.TLS.Cert, c.cfg.Upstream.TLS.Key)
	wss := func(text string) bool { return strings.HasPrefix(text, "wss://") }
	if c.cfg.TLS.Cert != "" && c.sound("listen", "tls.cert") && !slices.ContainsFunc(c.cfg.Listen, wss) {
		c.refuse("tls.cert", flawf("write wss://host:port in listen, or remove it", "no listen address uses TLS"))
	}
	if file := c.cfg.Upstream.TLS.CA; file != "" && c.sound("upstream.tls.ca") {
		data, err := readFile(file)
		if err != nil {
			c.refuse("upstream.tls.ca", flawf("name a readable PEM file", "%s: %s", redact(file), cause(err)))
		} else if !x509.NewCertPool().AppendCertsFromPEM(data) {
			c.refuse("upstream.tls.ca", flawf("name a PEM file", "%s holds no certificate", redact(file)))
		}
	}
}

// pair checks section.cert against section.key.
func (c *checker) pair(section, cert, key string) {
	certKey, keyKey := section+".cert", section+".key"
	if !c.sound(certKey, keyKey) {
		return
	}
	switch {
	case cert == "" && key == "":
		return
	case cert == "":
		c.refuse(keyKey, flawf("set "+certKey+" as well", "has no certificate to go with"))
		return
	case key == "":
		c.refuse(certKey, flawf("set "+keyKey+" as well", "has no key to go with"))
		return
	}
	var data [2][]byte
	for i, file := range []string{cert, key} {
		var err error
		if data[i], err = readFile(file); err != nil {
			c.refuse([]string{certKey, keyKey}[i], flawf("name a readable PEM file", "%s: %s", redact(file), cause(err)))
		}
	}
	if !c.sound(certKey, keyKey) {
		return
	}
	if _, err := tls.X509KeyPair(data[0], data[1]); err != nil {
		text := strings.TrimPrefix(err.Error(), "tls: ")
		c.refuse(certKey, flawf("name a certificate and its own key, both PEM", "%s with %s: %s", redact(cert), redact(key), text))
	}
}

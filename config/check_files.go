package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"mqtt-ws-bridge/config/tlsfiles"
)

// DeviceTLS names the files of TLS towards devices, the pair of tls.cert and tls.key first.
func (cfg *Config) DeviceTLS() tlsfiles.Server {
	t := &cfg.TLS
	s := tlsfiles.Server{ClientCA: t.ClientCA, CRL: t.CRL, ClientAuth: clientAuth[t.ClientAuth], MinVersion: tlsVersion(t.MinVersion),
		RecordSize: int(t.RecordSize), Ciphers: ciphers(t.Ciphers)}
	if t.Cert != "" {
		s.Certificates = append(s.Certificates, tlsfiles.Certificate{Cert: t.Cert, Key: t.Key, OCSP: t.OCSP})
	}
	for _, c := range t.Certificates {
		s.Certificates = append(s.Certificates, tlsfiles.Certificate(c))
	}
	return s
}

// BrokerTLS names the files of TLS towards brokers.
func (cfg *Config) BrokerTLS() tlsfiles.Client {
	t := &cfg.Upstream.TLS
	return tlsfiles.Client{CA: t.CA, Cert: t.Cert, Key: t.Key, ServerName: t.ServerName, MinVersion: tlsVersion(t.MinVersion),
		Ciphers: ciphers(t.Ciphers)}
}

// clientAuth are the words of tls.client-auth.
var clientAuth = map[string]tls.ClientAuthType{"request": tls.VerifyClientCertIfGiven, "require": tls.RequireAndVerifyClientCert}

func tlsVersion(text string) uint16 {
	if text == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// certificates checks that the certificate keys agree and that the files can be used.
func (c *checker) certificates() {
	t := &c.cfg.TLS
	c.pair("tls", t.Cert, t.Key)
	c.pair("upstream.tls", c.cfg.Upstream.TLS.Cert, c.cfg.Upstream.TLS.Key)
	for i, cert := range t.Certificates {
		path := fmt.Sprintf("tls.certificates[%d]", i)
		if cert.Cert == "" || cert.Key == "" {
			c.refuse(path, flawf("set cert and key", "needs both cert and key"))
			continue
		}
		c.keyPair(path, path, cert.Cert, cert.Key)
	}
	wss := slices.ContainsFunc(c.cfg.Listen, func(text string) bool { return strings.HasPrefix(text, "wss://") })
	for _, set := range []struct {
		key string
		is  bool
	}{
		{"tls.cert", t.Cert != ""}, {"tls.certificates", len(t.Certificates) > 0}, {"tls.client-auth", t.ClientAuth != "off"},
		{"tls.record-size", t.RecordSize != 0}, {"tls.ciphers", len(t.Ciphers) > 0},
	} {
		if set.is && !wss && c.sound("listen", set.key) {
			c.refuse(set.key, flawf("write wss://host:port in listen, or remove it", "no listen address uses TLS"))
		}
	}
	if t.OCSP != "" && t.Cert == "" {
		c.refuse("tls.ocsp", flawf("set tls.cert, or remove it", "has no certificate to go with"))
	}
	c.deviceAuthorities()
	if c.cfg.Upstream.TLS.CA != "" {
		c.authorities("upstream.tls.ca", c.cfg.Upstream.TLS.CA, tlsfiles.Client{CA: c.cfg.Upstream.TLS.CA}.Check())
	}
}

// deviceAuthorities checks what decides about certificates of devices.
func (c *checker) deviceAuthorities() {
	t := &c.cfg.TLS
	if !c.sound("tls.client-auth", "tls.client-ca", "tls.crl") {
		return
	}
	switch {
	case t.ClientAuth != "off" && t.ClientCA == "":
		c.refuse("tls.client-auth", flawf("set tls.client-ca", "there is no authority to check certificates with"))
	case t.ClientAuth == "off" && t.ClientCA != "":
		c.refuse("tls.client-ca", flawf("set tls.client-auth to request or require", "devices are not asked for certificates"))
	case t.ClientCA == "" && t.CRL != "":
		c.refuse("tls.crl", flawf("set tls.client-ca and tls.client-auth", "there is no authority whose list it could be"))
	case t.ClientCA == "":
	default:
		c.authorities("tls.client-ca", t.ClientCA, tlsfiles.CheckAuthorities(t.ClientCA, ""))
		if t.CRL != "" && c.sound("tls.client-ca") {
			c.authorities("tls.crl", t.CRL, tlsfiles.CheckAuthorities(t.ClientCA, t.CRL))
		}
	}
}

// authorities notes what is wrong with a file of authorities or of their lists.
func (c *checker) authorities(key, file string, err error) {
	switch {
	case err == nil || !c.sound(key):
	case errors.As(err, new(*fs.PathError)):
		c.refuse(key, flawf("name a readable PEM file", "%s: %s", redact(file), cause(err)))
	default:
		c.refuse(key, flawf("name a PEM file", "%s: %s", redact(file), strings.TrimPrefix(err.Error(), file+": ")))
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
	case cert == "":
		c.refuse(keyKey, flawf("set "+certKey+" as well", "has no certificate to go with"))
	case key == "":
		c.refuse(certKey, flawf("set "+keyKey+" as well", "has no key to go with"))
	default:
		c.keyPair(certKey, keyKey, cert, key)
	}
}

// keyPair checks the files of a certificate and its key, which two keys, or one, name.
func (c *checker) keyPair(certKey, keyKey, cert, key string) {
	var data [2][]byte
	for i, file := range []string{cert, key} {
		var err error
		if data[i], err = readFile(file); err != nil {
			c.refuse([]string{certKey, keyKey}[i], flawf("name a readable PEM file", "%s: %s", redact(file), cause(err)))
		}
	}
	if data[0] == nil || data[1] == nil {
		return
	}
	if tlsfiles.Encrypted(data[1]) {
		c.refuse(keyKey, flawf("write it without its passphrase: openssl pkey -in KEY -out FILE, and let nobody else read FILE",
			"%s: the key is encrypted", redact(key)))
		return
	}
	if _, err := tls.X509KeyPair(data[0], data[1]); err != nil {
		text := strings.TrimPrefix(err.Error(), "tls: ")
		c.refuse(certKey, flawf("name a certificate and its own key, both PEM", "%s with %s: %s", redact(cert), redact(key), text))
	}
}

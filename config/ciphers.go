package config

import (
	"crypto/tls"
	"slices"
	"strconv"
	"strings"
)

// opensslCiphers turns the IANA name of a cipher suite, without TLS_, into that of OpenSSL.
var opensslCiphers = strings.NewReplacer("RSA_WITH_", "RSA-", "ECDSA_WITH_", "ECDSA-", "3DES_EDE_CBC", "DES-CBC3", "_CBC", "",
	"AES_", "AES", "RC4_128", "RC4", "POLY1305_SHA256", "POLY1305", "_", "-")

// opensslName is OpenSSL's name of a cipher suite of TLS 1.2.
func opensslName(iana string) string {
	name := strings.TrimPrefix(iana, "TLS_")
	name, _ = strings.CutPrefix(name, "RSA_WITH_") // OpenSSL does not name this key exchange
	return opensslCiphers.Replace(name)
}

// ParseCipher reads the name of a cipher suite of TLS 1.2, as the IANA registry or OpenSSL has it. insecure: crypto/tls does not
// use it unless it is named.
func ParseCipher(name string) (id uint16, insecure bool, err error) {
	var names []string
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		switch {
		case !slices.Contains(suite.SupportedVersions, tls.VersionTLS12):
			if strings.EqualFold(name, suite.Name) {
				return 0, false, flawf("remove it; TLS 1.3 always has all of its suites", "%s is of TLS 1.3, where suites cannot be chosen", show(name))
			}
		case strings.EqualFold(name, suite.Name), strings.EqualFold(name, opensslName(suite.Name)):
			return suite.ID, suite.Insecure, nil
		default:
			names = append(names, suite.Name, opensslName(suite.Name))
		}
	}
	fix := "write a name such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
	if near := Nearest(name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	return 0, false, flawf(fix, "%s is not a known cipher suite of TLS 1.2", show(name))
}

// ciphers are the suites that a checked list names; nil, those of crypto/tls, if it names none.
func ciphers(names []string) (ids []uint16) {
	for _, name := range names {
		if id, _, err := ParseCipher(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids
}

// InsecureCiphers returns those of the names that are insecure suites.
func InsecureCiphers(names []string) (bad []string) {
	for _, name := range names {
		if _, insecure, err := ParseCipher(name); err == nil && insecure {
			bad = append(bad, name)
		}
	}
	return bad
}

// cipherNames checks the lists of cipher suites.
func (c *checker) cipherNames() {
	for _, side := range []struct {
		section, least string
		names          []string
	}{{"tls", c.cfg.TLS.MinVersion, c.cfg.TLS.Ciphers}, {"upstream.tls", c.cfg.Upstream.TLS.MinVersion, c.cfg.Upstream.TLS.Ciphers}} {
		key := side.section + ".ciphers"
		if len(side.names) > 0 && side.least == "1.3" && c.sound(key) {
			c.refuse(key, flawf("set "+side.section+".min-version to 1.2, or remove it", "chooses suites of TLS 1.2, which is not allowed"))
			continue
		}
		for i, name := range side.names {
			if _, _, err := ParseCipher(name); err != nil {
				c.refuse(key+"["+strconv.Itoa(i)+"]", err)
			}
		}
	}
}

package config

import (
	"crypto/tls"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestParseCipher: every suite of TLS 1.2 in crypto/tls has its IANA and its OpenSSL name; what is no suite gets a hint.
func TestParseCipher(t *testing.T) {
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		old := slices.Contains(suite.SupportedVersions, tls.VersionTLS12)
		for _, name := range []string{suite.Name, strings.ToLower(suite.Name), opensslName(suite.Name)} {
			id, insecure, err := ParseCipher(name)
			switch {
			case !old && name == "AES128-GCM-SHA256", !old && name == "AES256-GCM-SHA384": // these are of TLS 1.2, with RSA key exchange
			case old && (err != nil || id != suite.ID || insecure != suite.Insecure):
				t.Errorf("%s: %#04x, insecure %t, %v", name, id, insecure, err)
			case !old && err == nil:
				t.Errorf("%s of TLS 1.3 can be chosen", name)
			}
		}
	}
	for name, want := range map[string]string{
		"TLS_RSA_WITH_AES_128_CBC_SHA1":         "did you mean TLS_RSA_WITH_AES_128_CBC_SHA?",
		"ECDHE-RSA-AES128-GCM-SHA265":           "did you mean ECDHE-RSA-AES128-GCM-SHA256?",
		"TLS_AES_128_GCM_SHA256":                "TLS 1.3, where suites cannot be chosen",
		"DHE-RSA-CAMELLIA-WITH-SOMETHING-ELSE2": "write a name such as",
		"":                                      "write a name such as",
	} {
		text, fix := "", ""
		if _, _, err := ParseCipher(name); err != nil {
			text, fix = words(err)
		}
		if !strings.Contains(text+"; "+fix, want) {
			t.Errorf("%q: %s; %s, want %s", name, text, fix, want)
		}
	}
}

// TestOpenSSLNames: OpenSSL has the same names for the same suites.
func TestOpenSSLNames(t *testing.T) {
	out, err := exec.Command("openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0").Output()
	if err != nil {
		t.Skipf("needs the program openssl: %v", err)
	}
	known := make(map[string]string)
	for line := range strings.Lines(string(out)) { // "TLS_RSA_WITH_AES_128_CBC_SHA - AES128-SHA TLSv1 ..."
		if words := strings.Fields(line); len(words) > 2 {
			known[words[0]] = words[2]
		}
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if want, ok := known[suite.Name]; ok && slices.Contains(suite.SupportedVersions, tls.VersionTLS12) && opensslName(suite.Name) != want {
			t.Errorf("%s is %s, want %s", suite.Name, opensslName(suite.Name), want)
		}
	}
}

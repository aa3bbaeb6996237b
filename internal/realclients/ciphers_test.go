package realclients

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

// TestOldCiphers: a client with nothing but RSA key exchange and CBC connects if tls.ciphers names its suite, and gets the alert
// handshake_failure otherwise, as does a client with a suite that the list does not name.
func TestOldCiphers(t *testing.T) {
	t.Parallel()
	install.Debian(t, "openssl")
	host, binary := loopback.Host(), bridgeproc.Build(t)
	cert, key := rsaFiles(t, host)
	for _, b := range []struct {
		name string
		args []string
		want map[string]string // arguments of the client: what it prints
	}{
		{"default", nil, map[string]string{
			"-tls1_2 -cipher AES128-SHA:@SECLEVEL=0":                  "alert handshake failure",
			"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0": "Cipher is ECDHE-RSA-AES128-GCM-SHA256",
		}},
		{"named", []string{"--tls.ciphers", "TLS_RSA_WITH_AES_128_CBC_SHA", "--tls.ciphers", "ECDHE-RSA-AES256-SHA"}, map[string]string{
			"-tls1_2 -cipher AES128-SHA:@SECLEVEL=0":                  "Cipher is AES128-SHA",
			"-tls1_2 -cipher ECDHE-RSA-AES256-SHA:@SECLEVEL=0":        "Cipher is ECDHE-RSA-AES256-SHA",
			"-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0": "alert handshake failure",
			"-tls1_3": "Cipher is TLS_",
		}},
	} {
		address := loopback.Address(t, host)
		bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: binary,
			Args: append([]string{"--embedded.listen", "off", "--listen", "wss://" + address, "--tls.cert", cert, "--tls.key", key}, b.args...)})
		for args, want := range b.want {
			cmd := exec.CommandContext(t.Context(), "openssl", append([]string{"s_client", "-connect", address}, strings.Fields(args)...)...)
			said, _ := cmd.CombinedOutput() // the status follows the alert
			if !strings.Contains(string(said), want) {
				t.Errorf("%s: openssl %s: %q is not in\n%s", b.name, args, want, said)
			}
		}
		if warned := strings.Contains(bridge.Said(), `"suites":"TLS_RSA_WITH_AES_128_CBC_SHA"`); warned != (b.args != nil) {
			t.Errorf("%s: a warning of insecure suites: %t", b.name, warned)
		}
	}
}

// rsaFiles are a certificate with an RSA key, which signs itself, and the key.
func rsaFiles(t *testing.T, host string) (cert, key string) {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

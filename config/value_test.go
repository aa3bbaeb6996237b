package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/providers/structs"
	"github.com/knadh/koanf/v2"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "512": 512, "512B": 512, "1 B": 1, "64KiB": 64 * KiB, "64k": 64 * KiB, "64 kb": 64 * KiB, "1.5MiB": 3 * MiB / 2,
		"256MiB": 256 * MiB, "1GiB": GiB, "900GiB": 900 * GiB,
	} {
		if got, err := ParseSize(text); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1e3", "0x10", "1.5", "1.5B", "KiB", "1 000", "1TiB", "1KiBB", "1iB", "1_000", "inf", "9999999999GiB", "1000000000000000", "٣"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %v", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1023: "1023B", KiB: "1KiB", 1500: "1500B", 3 * MiB / 2: "1536KiB", GiB: "1GiB"} {
		if size.String() != want {
			t.Errorf("Size(%d) prints %s", int64(size), size)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"64KiB", "1.5MiB", "0", "-1", "999999GiB", "1 b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := ParseSize(text)
		if err != nil {
			return
		}
		if again, err := ParseSize(size.String()); size < 0 || again != size || err != nil {
			t.Errorf("%q is %d, prints %s, which is %d, %v", text, size, size, again, err)
		}
	})
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte(Example))
	files, _ := filepath.Glob("testdata/bad/*.yaml")
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &loading{layers: koanf.New("."), origins: Origins{}, broken: map[string]bool{}}
		if err := l.layers.Load(structs.Provider(Default(), "koanf"), nil); err != nil {
			t.Fatal(err)
		}
		if err := l.layers.Load(rawbytes.Provider(data), &yamlFile{loading: l, name: "f"}, l.merging()); err != nil {
			t.Fatal(err)
		}
		var cfg Config
		if err := l.decode(&cfg); err != nil {
			t.Errorf("what passed the checks cannot be decoded: %v", err)
		}
		Effective(&cfg, l.origins)
		if strings.Count(l.problems.Error(), "\n") >= max(1, len(l.problems)) {
			t.Errorf("problems of several lines: %q", l.problems)
		}
	})
}

func FuzzAddresses(f *testing.F) {
	for _, text := range []string{":8083", "wss://[::1]:8083", "unix:///a", "tcp://broker", "mqtts://b:1", "ws://b/mqtt?x=y", "tcp://a:b@c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = ParseListen(text)
		u, err := ParseUpstream(text)
		if err != nil {
			return
		}
		again, err := ParseUpstream(u.String())
		if u.User != nil || err != nil || again.String() != u.String() {
			t.Errorf("%q is %q, which is %v, %v", text, u, again, err)
		}
	})
}

func TestParseUpstream(t *testing.T) {
	for text, want := range map[string]string{
		"tcp://broker": "tcp://broker:1883", "mqtt://broker": "tcp://broker:1883", "mqtts://broker": "tls://broker:8883", "TLS://b:1": "tls://b:1",
		"ws://b": "ws://b:80", "wss://b/mqtt?x=1": "wss://b:443/mqtt?x=1", "tcp://[::1]": "tcp://[::1]:1883", "tcp://b:1/": "tcp://b:1",
		"unix:///run/b@1.sock": "unix:///run/b@1.sock",
	} {
		if u, err := ParseUpstream(text); err != nil || u.String() != want {
			t.Errorf("ParseUpstream(%q) = %v, %v", text, u, err)
		}
	}
	for _, text := range []string{"tcp://", "tcp://:1883", "mqtt://::", "tcp://::1", "tcp://a:b:1"} {
		if u, err := ParseUpstream(text); err == nil {
			t.Errorf("ParseUpstream(%q) = %v", text, u)
		}
	}
}

func TestParseListen(t *testing.T) {
	for text, want := range map[string]Address{
		":8083": {Network: "tcp", Address: ":8083"}, "ws://localhost:0": {Network: "tcp", Address: "localhost:0"},
		"wss://[::1]:8443":             {Network: "tcp", Address: "[::1]:8443", TLS: true},
		"unix:///run/a.sock":           {Network: "unix", Address: "/run/a.sock"},
		"unix:///run/a.sock?mode=0660": {Network: "unix", Address: "/run/a.sock", Mode: 0o660},
		"unix:///a?group=www-data":     {Network: "unix", Address: "/a", Group: "www-data"},
		"unix:///a?group=33&mode=600":  {Network: "unix", Address: "/a", Group: "33", Mode: 0o600},
	} {
		if got, err := ParseListen(text); err != nil || got != want {
			t.Errorf("ParseListen(%q) = %v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"unix:///a?", "unix:///a?mode", "unix:///a?mode=", "unix:///a?mode=0", "unix:///a?mode=0888", "unix:///a?mode=4755", "unix:///a?mode=-1",
		"unix:///a?group=", "unix:///a?group=a:b", "unix:///a?mode=0660&mode=0600", "unix:///a?owner=x", "unix:///a?mode=0660&", "unix:///?mode=0660",
		"unix:///a?mode=0660?group=x",
	} {
		if got, err := ParseListen(text); err == nil {
			t.Errorf("ParseListen(%q) = %v", text, got)
		}
	}
}

// TestCertificates: a matching pair is accepted, also from relative names, and one of another key is not.
func TestCertificates(t *testing.T) {
	t.Chdir(t.TempDir())
	writePair(t, "a")
	writePair(t, "b")
	mustLoad(t, "listen: [':8083', 'wss://:8443']\ntls: {cert: a.pem, key: a.key}\n"+
		"upstream: {urls: [tls://b], tls: {ca: b.pem, cert: b.pem, key: b.key, server-name: b}}\n", nil)
	_, _, err := load(t, "", nil, "--listen=wss://:1", "--tls.cert=a.pem", "--tls.key=b.key")
	const want = "--tls.cert: tls.cert: a.pem with b.key: private key does not match public key; name a certificate and its own key, both PEM"
	if err == nil || err.Error() != want {
		t.Errorf("problems: %v", err)
	}
}

// writePair makes name.pem and name.key.
func writePair(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: cert}, name + ".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

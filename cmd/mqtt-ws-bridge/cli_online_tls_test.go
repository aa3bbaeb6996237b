package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// onlineCheck runs the program with --online in a process of its own, because a process reads the system's CAs once; ca are those.
func onlineCheck(t *testing.T, ca, file string) (good bool, said string) {
	t.Helper()
	cmd := exec.Command("mqtt-ws-bridge", "check-config", "--online", "--config", file)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+ca, "SSL_CERT_DIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return err == nil, string(out)
}

// wantLine fails the test unless the output has the one line that begins and ends so.
func wantLine(t *testing.T, said, begins, ends string) {
	t.Helper()
	for line := range strings.Lines(said) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, begins) && strings.HasSuffix(line, ends) {
			return
		}
	}
	t.Errorf("no line begins %q and ends %q in\n%s", begins, ends, said)
}

// secureServer is an HTTPS server with a certificate of the authority for a host.
func secureServer(t *testing.T, authority *certs.Authority, host string, handler http.HandlerFunc) string {
	t.Helper()
	pair := authority.Server(t, host)
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// silent is an address that takes connections and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// onlineFile is a configuration file with some lines.
func onlineFile(t *testing.T, format string, args ...any) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCheckOnlineBrokerTLS tries a real broker with TLS, as it is and with what is usually wrong.
func TestCheckOnlineBrokerTLS(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{TLS: true})
	other := certs.New(t)
	for name, c := range map[string]struct{ at, ca, more, want string }{
		"right":      {broker.TLS, broker.Authority.File, "", ": ok: CONNACK accepted"},
		"wrong CA":   {broker.TLS, other.File, "", ": name its CA in upstream.tls.ca"},
		"wrong name": {broker.TLS, broker.Authority.File, "server-name: other.example", ": correct the URL's host or set upstream.tls.server-name"},
		"no TLS":     {broker.TCP, broker.Authority.File, "", ": correct the URL's scheme, port and path, or see the broker's log"},
		"refused": {loopback.Address(t, loopback.Host()), broker.Authority.File, "",
			": nothing listens there; start it, or correct the URL's host and port"},
		"silent": {silent(t), broker.Authority.File, "",
			": it does not answer in time; correct the URL's scheme and port, or look for a firewall in between"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := "30s"
			if name == "silent" {
				timeout = "100ms"
			}
			good, said := onlineCheck(t, other.File, onlineFile(t, "upstream:\n  urls: [\"tls://%s\"]\n  dial-timeout: %s\n  tls:\n    ca: %s\n    %s\n", c.at, timeout, c.ca, c.more))
			if good != (name == "right") {
				t.Errorf("good is %t", good)
			}
			wantLine(t, said, "upstream.urls[0] tls://"+c.at+": ", c.want)
		})
	}
}

// TestCheckOnlineServices fetches key sets and connects to callbacks over HTTPS, as they are and with what is usually wrong.
func TestCheckOnlineServices(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("the system's CAs are not those of SSL_CERT_FILE here")
	}
	broker := mosquitto.Start(t, mosquitto.Options{})
	authority, other := certs.New(t), certs.New(t)
	keys := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/keys" {
			http.NotFound(w, r)
			return
		}
		io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}
	right, misnamed := secureServer(t, authority, "127.0.0.1", keys), secureServer(t, authority, "other.example", keys)
	quiet := "https://" + silent(t)
	closed := "https://" + loopback.Address(t, loopback.Host())
	const (
		refused  = ": nothing listens there; start it, or correct the URL's host and port"
		trust    = ": add its CA to the system's, or name a PEM file in SSL_CERT_FILE"
		rename   = ": correct the URL's host or the certificate"
		slow     = ": it does not answer in time; correct the URL's scheme and port, or look for a firewall in between"
		noKeys   = ": its answer must be 200 with a JSON Web Key Set; correct the key-set of access.sources"
		accepted = ": ok: takes connections"
	)
	for name, c := range map[string]struct{ at, ca, keys, callback string }{
		"right":      {right, authority.File, ": ok", accepted},
		"wrong CA":   {right, other.File, trust, trust},
		"wrong name": {misnamed, authority.File, rename, rename},
		"refused":    {closed, authority.File, refused, refused},
		"silent":     {quiet, authority.File, slow, slow},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := "30s"
			if name == "silent" {
				timeout = "200ms"
			}
			missing := fmt.Sprintf(`    - {type: token, in: bearer, issuer: i, audience: [a], key-set: "%s/none"}`, right)
			if name == "right" {
				missing = ""
			}
			good, said := onlineCheck(t, c.ca, onlineFile(t, `
upstream:
  urls: ["tcp://%s"]
  dial-timeout: %s
access:
  sources:
    - {type: token, in: bearer, issuer: i, audience: [a], key-set: "%s/keys?canary"}
    - {type: callback, url: "%s/ask?canary"}
%s
`, broker.TCP, timeout, c.at, c.at, missing))
			if good != (name == "right") || strings.Contains(said, "canary") {
				t.Errorf("good is %t, and\n%s", good, said)
			}
			wantLine(t, said, "key set "+c.at+"/keys: ", strings.TrimPrefix(c.keys, ":"))
			wantLine(t, said, "callback "+c.at+"/ask: ", c.callback)
			if c.ca == authority.File && missing != "" {
				wantLine(t, said, "key set "+right+"/none: failed: status 404", noKeys)
			}
		})
	}
}

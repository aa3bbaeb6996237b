package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/template"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

// The names of the peers.
const (
	Bridge  = "bridge"
	HAProxy = "HAProxy"
	Nginx   = "nginx"
	Naive   = "naive Go"
)

// Install brings the Debian packages that the peers are, or ends the test.
func Install(t testing.TB) {
	t.Helper()
	install.Debian(t, "nginx", "haproxy", "mosquitto")
}

// All builds and names the peers, the bridge first. The packages are installed. With is empty or what makes a second bridge: a flag,
// or the path of a binary.
func All(t testing.TB, with string) []Peer {
	t.Helper()
	bridge := Build(t, "mqtt-ws-bridge/cmd/mqtt-ws-bridge")
	naive := Build(t, "mqtt-ws-bridge/internal/benchpeers/naive")
	peers := []Peer{
		{Name: Bridge, Version: "commit " + commit() + ", " + runtime.Version(), command: bridgeCommand(bridge)},
		{Name: HAProxy, Version: install.Version("haproxy"), Framed: true, command: haproxyCommand},
		{Name: Nginx, Version: install.Version("nginx"), Framed: true, command: nginxCommand},
		{Name: Naive, Version: "coder/websocket's NetConn and io.Copy, " + runtime.Version(), command: naiveCommand(naive)},
	}
	switch {
	case strings.HasPrefix(with, "-"):
		peers = append(peers, Peer{Name: "bridge " + with, Version: peers[0].Version, command: bridgeCommand(bridge, with)})
	case with != "":
		peers = append(peers, Peer{Name: with, Version: "as it is", command: bridgeCommand(with)})
	}
	return peers
}

// commit names what is checked out.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// Build compiles a program of this module as it is shipped, for this machine or, with settings such as GOARCH=arm, for another.
func Build(t testing.TB, program string, env ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(program))
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, program)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s %v: %v\n%s", program, env, err, out)
	}
	return binary
}

func bridgeCommand(binary string, flags ...string) func(testing.TB, *Process, certs.Pair) []string {
	return func(t testing.TB, p *Process, pair certs.Pair) []string {
		p.Admin = loopback.Address(t, loopback.Host())
		return append([]string{binary, "--listen", "ws://" + p.listen, "--listen", "wss://" + p.listenTLS,
			"--upstream", "tcp://" + p.upstream, "--admin", p.Admin, "--admin.pprof", "on", "--log.level", "warn",
			"--tls.cert", pair.CertFile, "--tls.key", pair.KeyFile}, flags...)
	}
}

func naiveCommand(binary string) func(testing.TB, *Process, certs.Pair) []string {
	return func(_ testing.TB, p *Process, pair certs.Pair) []string {
		return []string{binary, "-listen", p.listen, "-listen-tls", p.listenTLS, "-cert", pair.CertFile, "-key", pair.KeyFile,
			"-upstream", p.upstream}
	}
}

var haproxyConfig = template.Must(template.New("haproxy").Parse(`global
    maxconn 9500
    nbthread {{.Threads}}
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend devices
    bind {{.Listen}}
    bind {{.ListenTLS}} ssl crt {{.Dir}}/both.pem
    default_backend broker
backend broker
    server broker {{.Upstream}}
`))

func haproxyCommand(t testing.TB, p *Process, pair certs.Pair) []string {
	var both []byte
	for _, name := range []string{pair.CertFile, pair.KeyFile} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatalf("read the certificate: %v", err)
		}
		both = append(both, content...)
	}
	save(t, filepath.Join(p.dir, "both.pem"), both)
	return []string{sbin("haproxy"), "-db", "-f", p.configure(t, haproxyConfig, pair)}
}

var nginxConfig = template.Must(template.New("nginx").Parse(`daemon off;
worker_processes {{.Threads}};
pid {{.Dir}}/nginx.pid;
error_log stderr;
events { worker_connections 19000; }
http {
    access_log off;
    client_body_temp_path {{.Dir}}/body;
    proxy_temp_path {{.Dir}}/proxy;
    fastcgi_temp_path {{.Dir}}/fastcgi;
    uwsgi_temp_path {{.Dir}}/uwsgi;
    scgi_temp_path {{.Dir}}/scgi;
    ssl_certificate {{.Cert}};
    ssl_certificate_key {{.Key}};
    server {
        listen {{.Listen}};
        listen {{.ListenTLS}} ssl;
        location / {
            proxy_pass http://{{.Upstream}};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }
    }
}
`))

func nginxCommand(t testing.TB, p *Process, pair certs.Pair) []string {
	return []string{sbin("nginx"), "-p", p.dir, "-e", "stderr", "-c", p.configure(t, nginxConfig, pair)}
}

// configure writes the process's configuration file and returns its name.
func (p *Process) configure(t testing.TB, config *template.Template, pair certs.Pair) string {
	t.Helper()
	var content bytes.Buffer
	host, port := split(p.listen)
	_, portTLS := split(p.listenTLS)
	_, portTCP := split(p.TCP)
	err := config.Execute(&content, map[string]any{
		"Host": host, "Port": port, "PortTLS": portTLS, "TCPPort": portTCP,
		"Threads": runtime.NumCPU(), "Dir": p.dir, "Listen": p.listen, "ListenTLS": p.listenTLS, "Upstream": p.upstream,
		"Cert": pair.CertFile, "Key": pair.KeyFile,
	})
	if err != nil {
		t.Fatalf("configure %s: %v", p.Peer.Name, err)
	}
	name := filepath.Join(p.dir, strings.ToLower(p.Peer.Name)+".conf")
	save(t, name, content.Bytes())
	return name
}

func split(address string) (host, port string) {
	host, port, _ = strings.Cut(address, ":")
	return host, port
}

func save(t testing.TB, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatalf("write a configuration: %v", err)
	}
}

// sbin is the path of a program that Debian keeps where not everyone's PATH leads.
func sbin(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	return fmt.Sprintf("/usr/sbin/%s", name)
}

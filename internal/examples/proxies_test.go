package examples

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// longestSilence is one and a half times the longest keep alive of MQTT, for which a proxy must not end a connection [MQTT-3.1.2-24 of 3.1.1].
const longestSilence = 65535 * time.Second * 3 / 2

// proxy is one of the configurations of other programs.
type proxy struct {
	file, debian string // the Debian package
	bridge       string // the example that the bridge behind it runs
	behind       string // how the file calls that bridge
	listens      string // and its own address
	command      func(config, dir string) []string
	silence      string // the setting that says for how long a connection may be silent
	tcp          bool   // it passes TLS on
	http2        bool
}

var proxies = []proxy{
	{file: "nginx.conf", debian: "nginx", bridge: "http-proxy.yaml", behind: "127.0.0.1:8083", listens: "listen 443 ", silence: `proxy_read_timeout (\d+h)`, http2: true,
		command: func(config, dir string) []string {
			return []string{"nginx", "-c", config, "-p", dir, "-e", "stderr", "-g", "daemon off; pid " + dir + "/pid; worker_processes 1;"}
		}},
	{file: "haproxy.cfg", debian: "haproxy", bridge: "http-proxy.yaml", behind: "127.0.0.1:8083", listens: "bind :443 ", silence: `timeout tunnel (\d+h)`, http2: true,
		command: func(config, _ string) []string { return []string{"haproxy", "-db", "-f", config} }},
	{file: "haproxy-tcp.cfg", debian: "haproxy", bridge: "load-balancer.yaml", behind: "10.0.0.10:8443", listens: "bind :8443", silence: `timeout client (\d+h)`, tcp: true,
		command: func(config, _ string) []string { return []string{"haproxy", "-db", "-f", config} }},
	{file: "Caddyfile", debian: "caddy", bridge: "http-proxy.yaml", behind: "127.0.0.1:8083", listens: "https://mqtt.example.com:443", http2: true,
		command: func(config, _ string) []string {
			return []string{"caddy", "run", "--adapter", "caddyfile", "--config", config}
		}},
}

// TestProxies runs the real proxies with the examples for them, in front of a bridge with its example, and takes a device through.
func TestProxies(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs the proxies of Debian, and more addresses of its own than one")
	}
	broker := mosquitto.Start(t, mosquitto.Options{TLS: true})
	binary := bridgeproc.Build(t)
	for _, p := range proxies {
		t.Run(p.file, func(t *testing.T) {
			install.Debian(t, p.debian)
			files := makeFiles(t, broker)
			bridge := startBehind(t, binary, p, files, broker)
			p.patience(t)
			s := &site{url: "wss://" + p.start(t, files, bridge), files: files, broker: broker}
			p.device(t, s, bridge)
			if p.http2 {
				p.page(t, s)
			}
		})
	}
	for _, p := range []string{"*.conf", "*.cfg", "Caddyfile*"} {
		names, err := filepath.Glob(filepath.Join(folder, p))
		if err != nil || len(names) == 0 {
			t.Errorf("%s: %d examples: %v", p, len(names), err)
		}
		for _, name := range names {
			if !slices.ContainsFunc(proxies, func(p proxy) bool { return p.file == filepath.Base(name) }) {
				t.Errorf("nobody tries %s", name)
			}
		}
	}
}

// TestBareProxyPass: nginx without proxy_http_version, Upgrade and Connection, as most begin with it. The device and the log are told what is missing.
func TestBareProxyPass(t *testing.T) {
	install.Debian(t, "nginx")
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: bridgeproc.Build(t), Upstream: "tcp://" + broker.TCP})
	address, dir := loopback.Address(t, loopback.Host()), t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := "events {}\nhttp {\naccess_log off;\nserver {\nlisten " + address + ";\nlocation / { proxy_pass " + strings.Replace(bridge.WS, "ws", "http", 1) + "; }\n}\n}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := proxies[0]
	p.run(t, p.command(config, dir), address)
	s := &site{url: "ws://" + address}
	_, answer, err := s.dial(t, device{})
	if err == nil || answer == nil {
		t.Fatalf("%v, %v", answer, err)
	}
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusUpgradeRequired || !strings.Contains(string(body), "proxy_http_version 1.1") || !strings.Contains(string(body), "Upgrade and Connection") {
		t.Errorf("%s: %s", answer.Status, body)
	}
	for end := time.Now().Add(30 * time.Second); !strings.Contains(bridge.Said(), `"reason":"http-version"`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) { // the line may come after the answer
			t.Fatalf("the log does not say http-version: %s", bridge.Said())
		}
	}
}

// patience holds the proxy's timeout against MQTT's keep alive.
func (p proxy) patience(t *testing.T) {
	t.Helper()
	if p.silence == "" {
		return
	}
	m := regexp.MustCompile(p.silence).FindStringSubmatch(read(t, p.file))
	if m == nil {
		t.Fatalf("it does not say %s", p.silence)
	}
	if d, err := time.ParseDuration(m[1]); err != nil || d < longestSilence {
		t.Errorf("%s is shorter than MQTT allows a device to be silent: %v", m[0], longestSilence)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// startBehind runs the bridge with its example.
func startBehind(t *testing.T, binary string, p proxy, files *files, broker *mosquitto.Broker) *bridgeproc.Bridge {
	t.Helper()
	example := strings.NewReplacer(home, files.dir, "10.0.0.0/24", "127.0.0.0/8").Replace(read(t, p.bridge))
	o := bridgeproc.Options{Binary: binary, Upstream: "tcp://" + broker.TCP, Args: []string{"--config", write(t, example)}}
	if p.tcp {
		o.Upstream = "tls://" + broker.TLS
		o.Args = append(o.Args, "--listen", "wss://"+files.address)
	}
	return bridgeproc.Start(t, o)
}

// start runs the proxy with the example for it, but for addresses and the folder of files, and returns where devices connect.
func (p proxy) start(t *testing.T, files *files, bridge *bridgeproc.Bridge) (address string) {
	t.Helper()
	host := strings.TrimSuffix(files.address, files.address[strings.LastIndex(files.address, ":"):])
	address = loopback.Address(t, host)
	behind := strings.TrimPrefix(bridge.WS, "ws://")
	if p.tcp {
		behind = files.address
	}
	config := read(t, p.file)
	listens := map[string]string{"nginx.conf": "listen " + address + " ", "Caddyfile": "https://" + address}[p.file]
	if listens == "" {
		listens = strings.Replace(p.listens, p.listens[strings.Index(p.listens, ":"):], address+" ", 1)
	}
	_, admin, _ := net.SplitHostPort(bridge.Admin)
	for old, replacement := range map[string]string{p.listens: listens, p.behind: behind} {
		if strings.Count(config, old) != 1 {
			t.Fatalf("%q is in the example %d times", old, strings.Count(config, old))
		}
		config = strings.Replace(config, old, replacement, 1)
	}
	// The operator's address is on another loopback address than the device's here.
	config = strings.ReplaceAll(config, "check port 9090", "check addr "+strings.TrimSuffix(bridge.Admin, ":"+admin)+" port "+admin)
	config = strings.ReplaceAll(config, "maxconn 20000", "maxconn 200") // HAProxy wants two descriptors for each
	files.put(t, "tls/haproxy.pem", append(content(t, files.dir+"/tls/fullchain.pem"), content(t, files.dir+"/tls/privkey.pem")...))
	name := filepath.Join(t.TempDir(), p.file)
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(config, home, files.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(t, p.command(name, filepath.Dir(name)), address)
	return address
}

func content(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// run starts the proxy until the end of the test, and returns when it takes connections.
func (p proxy) run(t *testing.T, command []string, address string) {
	t.Helper()
	said := new(strings.Builder)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	if path, err := exec.LookPath("/usr/sbin/" + command[0]); err == nil {
		cmd.Path = path
		cmd.Err = nil
	}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it ends its children with it
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if t.Failed() {
			t.Logf("what %s said:\n%s", p.file, said)
		}
	})
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(time.Minute); ; {
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%s ended at once: %v", p.file, err)
		case <-deadline:
			t.Fatalf("%s takes no connection", p.file)
		case <-again.C:
		}
		if conn, err := net.DialTimeout("tcp", address, time.Minute); err == nil {
			_ = conn.Close()
			return
		}
	}
}

// device goes through with a message, from an address of its own. The bridge knows the device by it, whatever the device says of itself.
func (p proxy) device(t *testing.T, s *site, bridge *bridgeproc.Bridge) {
	t.Helper()
	own := loopback.Host()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(own)}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: s.files.tls(t)}
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, s.url+"/mqtt", &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"mqtt"},
		HTTPHeader: http.Header{"X-Forwarded-For": {"203.0.113.66"}}})
	if err != nil {
		t.Fatalf("handshake: %v, %v", err, answer)
	}
	defer func() { _ = ws.CloseNow() }()
	if code := connect(t, ws, device{id: "behind"}); code != 0 {
		t.Fatalf("CONNACK has return code %d", code)
	}
	send(t, ws, "\x82\x06\x00\x01\x00\x01a\x00")
	if got := receive(t, ws); got != "\x90\x03\x00\x01\x00" {
		t.Fatalf("SUBACK is % x", got)
	}
	send(t, ws, "\x30\x04\x00\x01a!")
	if got := receive(t, ws); got != "\x30\x04\x00\x01a!" {
		t.Errorf("PUBLISH is % x", got)
	}
	send(t, ws, "\xe0\x00")
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	line := regexp.MustCompile(`"device-disconnect".*"device":"([^"]*)".*"client_id":"behind"`) // session ended
	for deadline := time.After(time.Minute); ; {
		if m := line.FindStringSubmatch(bridge.Said()); m != nil {
			if host, _, _ := net.SplitHostPort(m[1]); host != own {
				t.Errorf("the bridge takes the device for %s, it is %s", m[1], own)
			}
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("the bridge does not say that the device has left")
		}
	}
}

// page asks as a browser does, over HTTP/2. It gets a sentence with status 426, or the bridge's page, and no broken stream.
func (p proxy) page(t *testing.T, s *site) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: s.files.tls(t), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	for path, status := range map[string]int{"/mqtt": http.StatusUpgradeRequired, "/elsewhere": 0} {
		over := ""
		trace := &httptrace.ClientTrace{TLSHandshakeDone: func(state tls.ConnectionState, _ error) { over = state.NegotiatedProtocol }}
		q, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, "https"+strings.TrimPrefix(s.url, "wss")+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(q)
		if err != nil {
			t.Errorf("%s over HTTP/2: %v", path, err)
			continue
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if status != 0 && (answer.StatusCode != status || !strings.Contains(string(body), "WebSocket")) || answer.ProtoMajor != 2 || answer.Header.Get("Upgrade") != "" || err != nil {
			t.Errorf("%s: %s %s %v (ALPN %q), %q: %v", path, answer.Proto, answer.Status, answer.Header, over, body, err)
		}
	}
}

package realclients

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/install"
)

const troublePage = "../../docs/troubleshooting.md"

// snippetURL is where the snippets of the page connect.
const snippetURL = "ws://localhost:8083/mqtt"

// snippets are those of the page that run, by their heading and the language that it names.
var snippets = []struct {
	heading, language string
	command           func(t *testing.T, code string, target Target) *exec.Cmd
}{
	{"MQTT.js on Node", "js", func(t *testing.T, code string, _ Target) *exec.Cmd {
		cmd := exec.Command("node", put(t, "snippet.js", code))
		cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(install.NPM(t, "testdata/npm"), "node_modules"))
		return cmd
	}},
	{"MQTT.js in a page", "html", browse},
	{"Paho Python", "python", func(t *testing.T, code string, target Target) *exec.Cmd {
		install.Debian(t, "python3-paho-mqtt")
		host, port := addressOf(t, target)
		code = strings.Replace(code, `client.connect("localhost", 8083`, `client.connect("`+host+`", `+port, 1)
		return exec.Command("/usr/bin/python3", "-u", put(t, "snippet.py", code))
	}},
	{"Go, MQTT 5: autopaho", "go", goRun},
	{"Go, MQTT 3.1.1: paho.mqtt.golang", "go", goRun},
}

// goRun runs a program with the modules of this repository.
func goRun(t *testing.T, code string, _ Target) *exec.Cmd {
	program := filepath.Join(t.TempDir(), "snippet")
	if out, err := exec.Command("go", "build", "-o", program, put(t, "main.go", code)).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exec.Command(program)
}

// browse opens a page in Chromium, which tells on standard error what the page logs.
func browse(t *testing.T, code string, target Target) *exec.Cmd {
	install.Debian(t, "chromium")
	modules := install.NPM(t, "testdata/npm")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(code))
	})
	mux.HandleFunc("GET /mqtt.min.js", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(modules, "node_modules/mqtt/dist/mqtt.min.js"))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return exec.Command("chromium", append(chromiumFlags(t, target), "--enable-logging=stderr", server.URL+"/")...)
}

func put(t *testing.T, name, code string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func addressOf(t *testing.T, target Target) (host, port string) {
	t.Helper()
	u, err := url.Parse(target.WS)
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), u.Port()
}

// TestSnippets runs what the page for firmware people tells them to copy, against the bridge's own program and a Mosquitto.
func TestSnippets(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(troublePage)
	if err != nil {
		t.Fatal(err)
	}
	target := ThroughBridge(t)
	for _, s := range snippets {
		t.Run(s.heading, func(t *testing.T) {
			code := snippet(t, string(page), s.heading, s.language)
			expect(t, s.command(t, strings.ReplaceAll(code, snippetURL, target.WS), target), "received hello")
		})
	}
}

// snippet is the code under a heading of the page.
func snippet(t *testing.T, page, heading, language string) string {
	t.Helper()
	_, below, ok := strings.Cut(page, "\n### "+heading+"\n")
	below, _, _ = strings.Cut(below, "\n### ")
	_, code, ok2 := strings.Cut(below, "\n```"+language+"\n")
	code, _, ok3 := strings.Cut(code, "\n```\n")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("%s has no code in %s under %q", troublePage, language, heading)
	}
	return code + "\n"
}

// expect runs a program until it has said what it should, and ends it.
func expect(t *testing.T, cmd *exec.Cmd, want string) {
	t.Helper()
	said := &listener{want: want, heard: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, said
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { defer close(exited); _ = cmd.Wait() }() // it is killed, or has said what it should
	defer func() { killGroup(cmd); <-exited }()
	select {
	case <-said.heard:
		return
	case <-exited:
	case <-time.After(patience):
	}
	select {
	case <-said.heard:
	default:
		t.Errorf("it does not say %q but: %s", want, tail(said.String()))
	}
}

// listener waits for words in what a program says.
type listener struct {
	want  string
	heard chan struct{} // closed when they have been said

	mu    sync.Mutex
	bytes bytes.Buffer // guarded by mu
}

func (l *listener) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := bytes.Contains(l.bytes.Bytes(), []byte(l.want))
	l.bytes.Write(p)
	if !before && bytes.Contains(l.bytes.Bytes(), []byte(l.want)) {
		close(l.heard)
	}
	return len(p), nil
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes.String()
}

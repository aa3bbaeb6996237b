package realclients

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
)

// refusing is a bridge that refuses every device, because no broker answers.
func refusing(t *testing.T) *bridgeproc.Bridge {
	return bridgeproc.Start(t, bridgeproc.Options{Binary: bridgeproc.Build(t), Upstream: "unix://" + t.TempDir() + "/nobody", Unready: true})
}

// TestPageHearsReason: a page in a real browser gets CONNACK, and the code and the text of the close frame, where it would see 1006 alone.
func TestPageHearsReason(t *testing.T) {
	install.Debian(t, "chromium")
	bridge := refusing(t)
	const script = `<!doctype html><body><script>
const ws = new WebSocket(%q, "mqtt"), said = [];
ws.binaryType = "arraybuffer";
ws.onopen = () => ws.send(new Uint8Array([0x10, 13, 0, 4, 77, 81, 84, 84, 4, 2, 0, 0, 0, 1, 97]));
ws.onmessage = m => said.push([...new Uint8Array(m.data)].join(" "));
ws.onclose = e => fetch("/heard", {method: "POST", body: said.join() + "; " + e.code + " " + e.reason});
</script>`
	heard := make(chan string, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, script, bridge.WS+"/mqtt") })
	mux.HandleFunc("POST /heard", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body) // of a page that is there
		select {
		case heard <- string(text):
		default:
		}
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--user-data-dir="+t.TempDir(), server.URL)
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		killGroup(cmd)
		_ = cmd.Wait() // it was killed
	}()
	if got, want := <-heard, "32 2 0 3; 1013 broker-down: the broker does not answer"; got != want {
		t.Errorf("the page hears %q, want %q", got, want)
	}
}

// TestMQTTjsComesBack: MQTT.js takes the CONNACK for the refusal that it is, and connects again as it did without one.
func TestMQTTjsComesBack(t *testing.T) {
	modules := install.NPM(t, "testdata/npm")
	bridge := refusing(t)
	script := filepath.Join(t.TempDir(), "page.js")
	text := fmt.Sprintf(`const client = require(%q).connect(%q, {reconnectPeriod: 50, wsOptions: {origin: "https://page.example"}});
let errors = 0, again = 0;
client.on("error", e => { errors++; console.log("error " + e.message + " " + e.code); });
client.on("reconnect", () => { if (++again >= 2 && errors >= 2) { client.end(true); } });
`, filepath.Join(modules, "node_modules/mqtt"), bridge.WS+"/mqtt")
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "node", script).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "error Connection refused: Server unavailable 3") {
		t.Errorf("%v: %s", err, out)
	}
}

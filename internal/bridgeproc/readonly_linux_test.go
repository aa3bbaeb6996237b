package bridgeproc

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/mosquitto"
)

// jail runs a command in a mount namespace of its own, with $1 as its whole file system, which cannot be written, as nobody, and with no
// way to more privileges.
const jail = `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro,nosuid,nodev "$1"
if touch "$1/written" 2>/dev/null; then echo "it can be written" >&2; exit 1; fi
dir=$1
shift
exec setpriv --no-new-privs chroot --groups= --userspec=65534:65534 "$dir" "$@"`

// TestRunsReadOnlyAsNobody runs the program as it is shipped in a file system that holds nothing else and cannot be written, as the container
// of docker-compose.yml does, and connects a device.
func TestRunsReadOnlyAsNobody(t *testing.T) {
	if out, err := exec.Command("unshare", "--mount", "mount", "--make-rprivate", "/").CombinedOutput(); err != nil {
		t.Skipf("needs a mount namespace, which this machine does not give: %v: %s", err, out)
	}
	broker := mosquitto.Start(t, mosquitto.Options{})
	dir := t.TempDir()
	shipped, err := os.ReadFile(Build(t, "CGO_ENABLED=0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "mqtt-ws-bridge"), shipped, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := Start(t, Options{Binary: "/mqtt-ws-bridge", Upstream: "tcp://" + broker.TCP,
		Wrapper: []string{"unshare", "--mount", "sh", "-c", jail, "sh", dir}})
	status := processStatus(t, b.cmd.Process.Pid)
	for name, want := range map[string]string{"Name": "mqtt-ws-bridge", "NoNewPrivs": "1", "Groups": "",
		"Uid": "65534\t65534\t65534\t65534", "Gid": "65534\t65534\t65534\t65534",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapInh": "0000000000000000", "CapAmb": "0000000000000000"} {
		if status[name] != want {
			t.Errorf("%s is %q, want %q", name, status[name], want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, b.WS+"/mqtt", &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte("\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.Read(ctx); err != nil || string(got) != "\x20\x02\x00\x00" {
		t.Errorf("instead of CONNACK: % x, %v", got, err)
	}
	metrics, err := http.Get("http://" + b.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	if body, err := io.ReadAll(metrics.Body); err != nil || !strings.Contains(string(body), "mqtt_ws_bridge_sessions 1\n") {
		t.Errorf("metrics lack the session: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// processStatus reads what the kernel says of a process.
func processStatus(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	status := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.TrimSpace(value)
	}
	return status
}

package brokers

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/bridgeproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFleet runs devices of every profile through the bridge's own program to each broker, with every QoS that it has and commands, and has the
// simulator verify every message. Without --mqtt the verifying subscriber finds out by itself that the broker takes no MQTT 5.
func TestFleet(t *testing.T) {
	bridge, simulator := bridgeproc.Build(t), filepath.Join(t.TempDir(), "firmware-sim")
	if out, err := exec.Command("go", "build", "-o", simulator, "mqtt-ws-bridge/firmware-sim").CombinedOutput(); err != nil {
		t.Fatalf("build the simulator: %v\n%s", err, out)
	}
	for _, k := range Kinds {
		t.Run(k.Name, func(t *testing.T) {
			broker := k.Start(t)
			b := bridgeproc.Start(t, bridgeproc.Options{Binary: bridge, Upstream: "tcp://" + broker.TCP})
			args := []string{"run", "--json", "--url", b.WS + "/mqtt", "--qos", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(k.QoS)), ","), "[]"),
				"--rate", "10", "--duration", "2m", "--commands", "5", "--drain", "20s", "--timeout", "1m"}
			verified(t, simulator, append(args, "--mqtt", "3.1.1", "--profile", "all", "--devices", "36", "--messages", "20"))
			verified(t, simulator, append(args, "--profile", "esp32-idf,esp8266-arduino,paho-python-rpi", "--devices", "3", "--messages", "5", "--seed", "2"))
		})
	}
}

// verified runs the simulator and expects a clean verdict, found out over MQTT 3.1.1.
func verified(t *testing.T, simulator string, args []string) {
	t.Helper()
	cmd := exec.Command(simulator, args...)
	says := new(strings.Builder)
	cmd.Stderr = says
	out, err := cmd.Output()
	var r struct {
		Clean       bool   `json:"clean"`
		WitnessMQTT string `json:"witness_mqtt"`
		Checks      []struct {
			Name, Detail string
			OK           bool
		} `json:"checks"`
		Delivery struct {
			QoS []struct {
				Sent, Received int
			} `json:"qos"`
		} `json:"delivery"`
	}
	if failed := json.Unmarshal(out, &r); failed != nil {
		t.Fatalf("firmware-sim %s: %v, %v\n%s%s", strings.Join(args, " "), err, failed, out, says)
	}
	if err != nil || !r.Clean || r.WitnessMQTT != "3.1.1" {
		t.Errorf("firmware-sim %s: %v, verified over MQTT %s\n%s%s", strings.Join(args, " "), err, r.WitnessMQTT, out, says)
	}
	t.Logf("delivered by QoS: %+v", r.Delivery.QoS)
}

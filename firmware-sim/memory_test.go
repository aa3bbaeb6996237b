package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
)

// TestMemoryPerDevice measures a process of its own, without the race detector and without a broker in it. A thousand
// devices keep the test short; docs/firmware-sim.md records the run with ten thousand.
func TestMemoryPerDevice(t *testing.T) {
	if testing.Short() || runtime.GOOS != "linux" {
		t.Skip("builds a program and reads /proc: on Linux, not with -short")
	}
	binary := filepath.Join(t.TempDir(), "firmware-sim")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, x := range map[string]struct {
		profiles string
		most     int64 // bytes per device
	}{
		"raw": {"esp32-idf=3,paho-java-android,zephyr-cortex-m,mqttjs-node,esp8266-arduino", 25000},
		"all": {"all", 25000},
		// The library's own: six goroutines, and buffers of 4 KiB each way. This holds what it must not grow beyond.
		"library": {"autopaho-linux-arm", 75000},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := exec.Command(binary, "run", "--url", faulty.Start(t).URL, "--devices", "1000", "--rate", "0", "--duration", "100ms",
				"--profile", x.profiles, "--birth=false", "--json").Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			var r fleet.Result
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r.Memory)
			if r.Memory.Devices != 1000 || r.Memory.PerDevice == 0 || r.Memory.PerDevice > x.most {
				t.Errorf("%d devices online at %d B each, want 1000 under %d B", r.Memory.Devices, r.Memory.PerDevice, x.most)
			}
		})
	}
}

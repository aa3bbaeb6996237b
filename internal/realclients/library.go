package realclients

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"mqtt-ws-bridge/internal/install"
)

// The versions of MQTT as CONNECT spells them.
const (
	mqtt311 = 4
	mqtt5   = 5
)

// Library is a client library that real devices use.
type Library struct {
	Name     string // as people call it
	Slug     string // as a test is called
	Versions []int  // of MQTT

	// prepare brings what the library needs, once per row, and returns what starts a device.
	prepare func(t testing.TB, target Target) (start func(t testing.TB) *Device)
	// mute is the version of MQTT with which the library does not tell whether the broker had a session.
	mute int
	// module is the Go module whose version says more than the driver can: a test binary does not know its modules.
	module string
	// packages are the Debian packages whose versions say more than the library's own.
	packages []string
}

// Libraries are all that the bridge is tried with.
var Libraries = []Library{
	{Name: "Paho Go (autopaho)", Slug: "autopaho", Versions: []int{mqtt5}, prepare: goLibrary("autopaho"),
		module: "github.com/eclipse/paho.golang"},
	{Name: "Paho Go (paho.mqtt.golang)", Slug: "paho.mqtt.golang", Versions: []int{mqtt311},
		prepare: goLibrary("paho.mqtt.golang"), module: "github.com/eclipse/paho.mqtt.golang"},
	{Name: "MQTT.js on Node", Slug: "mqttjs-node", Versions: []int{mqtt311, mqtt5}, prepare: node},
	{Name: "MQTT.js in Chromium", Slug: "mqttjs-chromium", Versions: []int{mqtt311, mqtt5}, prepare: chromium,
		packages: []string{"chromium"}},
	{Name: "Paho Python", Slug: "paho-python", Versions: []int{mqtt311, mqtt5}, prepare: python,
		packages: []string{"python3-paho-mqtt"}},
	{Name: "Paho C", Slug: "paho-c", Versions: []int{mqtt311, mqtt5}, prepare: pahoC, mute: mqtt5,
		packages: []string{"libpaho-mqtt-dev"}},
}

// goLibrary starts this test binary again as the driver of a Go library.
func goLibrary(name string) func(testing.TB, Target) func(testing.TB) *Device {
	return func(t testing.TB, _ Target) func(testing.TB) *Device {
		self, err := os.Executable()
		if err != nil {
			t.Fatalf("find the test binary: %v", err)
		}
		return func(t testing.TB) *Device {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), driverVariable+"="+name)
			return startProcess(t, cmd)
		}
	}
}

func node(t testing.TB, _ Target) func(testing.TB) *Device {
	modules := install.NPM(t, "testdata/npm")
	return func(t testing.TB) *Device {
		return startProcess(t, exec.Command("node", "testdata/mqttjs/node.js", modules))
	}
}

func python(t testing.TB, _ Target) func(testing.TB) *Device {
	install.Debian(t, "python3-paho-mqtt")
	return func(t testing.TB) *Device {
		// The package is for Debian's own Python, which need not be the first on the path.
		return startProcess(t, exec.Command("/usr/bin/python3", "testdata/python/driver.py"))
	}
}

func pahoC(t testing.TB, _ Target) func(testing.TB) *Device {
	install.Debian(t, "gcc", "libc6-dev", "libpaho-mqtt-dev", "libcjson-dev")
	binary := filepath.Join(t.TempDir(), "driver")
	compile := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", binary, "testdata/c/driver.c",
		"-lpaho-mqtt3cs", "-lcjson", "-lpthread")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compile the driver of Paho C: %v\n%s", err, out)
	}
	return func(t testing.TB) *Device { return startProcess(t, exec.Command(binary)) }
}

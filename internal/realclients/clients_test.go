package realclients

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/install"
)

var (
	update = flag.Bool("update", false, "write the table of docs/devices.md from what ran")
	direct = flag.Bool("direct", false, "connect to Mosquitto's own WebSocket listener instead of the bridge")
)

func TestMain(m *testing.M) {
	// Everything here is on this machine. Unset, not emptied: Paho C takes an empty http_proxy for a proxy without a name.
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy"} {
		_ = os.Unsetenv(name)
		_ = os.Unsetenv(strings.ToUpper(name))
	}
	if name := os.Getenv(driverVariable); name != "" {
		if err := drive(name, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// The rows mostly wait: for keepalives, for programs to start. More of them than there are processors shortens that.
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// TestClients is every library with every version and transport, through every scenario, and the table that says so.
func TestClients(t *testing.T) {
	open := ThroughBridge
	if *direct {
		open = Direct
	}
	target := open(t)
	ran := &ran{}
	t.Cleanup(func() { ran.finish(t, target) })
	for _, r := range rows(target) {
		t.Run(r.slug(), func(t *testing.T) {
			t.Parallel()
			r.start = r.library.prepare(t, target)
			passed := 0 // counted, because a scenario that -run leaves out has not failed either
			for _, scenario := range Scenarios {
				t.Run(scenario.Name, func(t *testing.T) {
					scenario.run(newScene(t, r))
					passed++
				})
			}
			if passed == len(Scenarios) && !t.Failed() {
				ran.add(r.name(), r.libraryVersion(t))
			}
		})
	}
}

// rows are all combinations that are tried, in the order of the table.
func rows(target Target) []row {
	var all []row
	for _, library := range Libraries {
		for _, version := range library.Versions {
			for _, secure := range []bool{false, true} {
				all = append(all, row{library: library, version: version, secure: secure, target: target})
			}
		}
	}
	return all
}

func (r row) transport() string {
	if r.secure {
		return "wss"
	}
	return "ws"
}

func (r row) slug() string {
	return fmt.Sprintf("%s-%s-%s", r.library.Slug, map[int]string{mqtt311: "v3", mqtt5: "v5"}[r.version], r.transport())
}

// libraryVersion is what the driver calls its library, and the version of the Debian package where it is one.
func (r row) libraryVersion(t *testing.T) string {
	d := r.start(t)
	var version string
	select {
	case e := <-d.hello:
		version = e.Library
	case <-timeout():
		t.Fatal("the driver says no hello")
	}
	if module := r.library.module; module != "" {
		out, err := exec.Command("go", "list", "-m", module).Output()
		if err != nil {
			t.Fatalf("ask for the version of %s: %v", module, err)
		}
		version = strings.TrimSpace(string(out))
	}
	for _, name := range r.library.packages {
		version += fmt.Sprintf(" (Debian %s %s)", name, install.Version(name))
	}
	return version
}

// ran collects the rows that passed, with the versions they ran with.
type ran struct {
	mu       sync.Mutex
	versions map[string]string // guarded by mu
}

func (r *ran) add(row, version string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.versions == nil {
		r.versions = map[string]string{}
	}
	r.versions[row] = version
}

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	folder = "../../examples"
	// home is where the examples have their files.
	home = "/etc/mqtt-ws-bridge"
)

// scene is an example in use.
type scene struct {
	listens string            // the scheme of its listen address
	replace map[string]string // addresses of other people's machines
	secure  bool              // brokers are reached through TLS
	first   []string          // brokers before the one that answers
	try     func(t *testing.T, s *site)
}

// site is a bridge that runs an example.
type site struct {
	url    string // for devices
	files  *files
	broker *mosquitto.Broker
}

// TestExamples has check-config accept every example as it is, but for its directory, and then runs it before a Mosquitto, with other
// addresses, and connects devices.
func TestExamples(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{TLS: true})
	files := makeFiles(t, broker)
	scenes := scenes(files.provider(t), loopback.Address(t, loopback.Host()))
	names, err := filepath.Glob(folder + "/*.yaml")
	if err != nil || len(names) != len(scenes) {
		t.Errorf("%d examples, %d of them tried: %v", len(names), len(scenes), err)
	}
	binary := bridgeproc.Build(t)
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			example := strings.ReplaceAll(string(text), home, files.dir)
			check(t, binary, example)
			s, ok := scenes[filepath.Base(name)]
			if !ok {
				t.Fatal("nobody tries it")
			}
			for old, replacement := range s.replace {
				if !strings.Contains(example, old) {
					t.Errorf("it does not speak of %s", old)
				}
				example = strings.ReplaceAll(example, old, replacement)
			}
			s.try(t, start(t, binary, example, s, files, broker))
		})
	}
}

// write returns the name of a file with this content.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// check has check-config read an example. Of warnings only the one about this machine may come.
func check(t *testing.T, binary, example string) {
	t.Helper()
	cmd := exec.Command(binary, "check-config", "--config", write(t, example))
	complaints := new(strings.Builder)
	cmd.Stderr = complaints
	out, err := cmd.Output()
	if err != nil || string(out) != "ok\n" {
		t.Fatalf("check-config: %v: %s%s", err, out, complaints)
	}
	for line := range strings.Lines(complaints.String()) {
		if !strings.HasPrefix(line, "warning: too few file descriptors") {
			t.Errorf("check-config: %s", line)
		}
	}
}

func start(t *testing.T, binary, example string, s scene, files *files, broker *mosquitto.Broker) *site {
	t.Helper()
	scheme, address := "tcp://", broker.TCP
	if s.secure {
		scheme, address = "tls://", broker.TLS
	}
	o := bridgeproc.Options{Binary: binary, Upstream: scheme + address, Args: []string{"--config", write(t, example)}}
	if len(s.first) > 0 {
		brokers := slices.Concat(s.first, []string{address})
		o.Upstream = scheme + brokers[0]
		for _, b := range brokers[1:] {
			o.Args = append(o.Args, "--upstream", scheme+b)
		}
	}
	in := &site{files: files, broker: broker}
	if s.listens == "wss" {
		in.url = "wss://" + files.address
		o.Args = append(o.Args, "--listen", in.url)
	}
	b := bridgeproc.Start(t, o)
	if in.url == "" {
		in.url = b.WS
	}
	return in
}

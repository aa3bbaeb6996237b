package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "mqtt-ws-bridge"

// goPackage is what the go command says of a package.
type goPackage struct {
	ImportPath, Doc string
	GoFiles         []string
	Imports         []string
	TestImports     []string
	XTestImports    []string
}

// room is the package's path below the module, "" for the module itself.
func (p goPackage) room() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// packages lists every package of the module.
func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,GoFiles,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the packages: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read the list: %v", err)
		}
		all = append(all, p)
	}
}

// arrows says what of this module a package may import. A name stands for the package alone, one that ends in / for what is below it, and
// the longest that fits counts. All arrows of bridge, wsio and config are here, so that a new one is a decision. In the same order as a
// reader goes: what is above comes first.
var arrows = map[string][]string{
	"cmd/": {"cmd/", "bridge", "bridge/", "wsio/", "mqttio", "config", "config/"},

	"bridge/access":           {"bridge", "bridge/access/", "bridge/police", "config/current", "bridge/reason", "mqttio"},
	"bridge/access/callback":  {"bridge/access/httpclient", "bridge/fairqueue"},
	"bridge/access/passwords": {"bridge/fairqueue"},
	"bridge/access/token":     {"bridge/access/httpclient"},
	"bridge/admin":            {"bridge", "bridge/reason"},
	"bridge/budget":           {"bridge/reason"},
	"bridge/loop":             {"bridge", "bridge/drive"},
	"bridge/quota":            {"bridge", "bridge/police", "bridge/reason", "config/current", "mqttio"},
	"bridge/upstream":         {"bridge", "config/current", "bridge/reason", "bridge/socket", "mqttio", "wsio/tlsrecords"},
	"bridge":                  {"bridge/drive", "bridge/fairqueue", "bridge/leg", "bridge/loglimit", "bridge/police", "bridge/reason", "bridge/socket", "config/current", "mqttio"},
	"bridge/police":           {"bridge/leg", "bridge/reason", "mqttio"}, // knows no session
	"bridge/leg":              {"mqttio"},                                // decides nothing
	"bridge/reason":           {"mqttio"},
	"bridge/":                 {}, // the others: none; a driver knows no MQTT
	"mqttio":                  {},

	"wsio/handshake": {"wsio/frame", "wsio/listener", "wsio/refusal"},
	"wsio/listener":  {"wsio/refusal", "wsio/tlsrecords"},
	"wsio/frame":     {"wsio/refusal"},
	"wsio/":          {}, // the others: none

	"config":    {"config/tlsfiles"},
	"config/":   {"config/filewatch"},
	"internal/": {"internal/"}, // for tests only: what ships imports none of it

	"firmware-sim":  {"firmware-sim/"}, // an independent witness
	"firmware-sim/": {"firmware-sim/"},
}

// allowed is the table's word on one import.
func allowed(from, to string) bool {
	may, known := arrows[from]
	for parent := from; !known && parent != ""; {
		parent = parent[:max(strings.LastIndexByte(parent, '/'), 0)]
		may, known = arrows[parent+"/"]
	}
	return slices.ContainsFunc(may, func(name string) bool {
		return to == name || strings.HasSuffix(name, "/") && strings.HasPrefix(to, name)
	})
}

// TestArrowsHaveNoCircle: the compiler says so of imports, and this of what the table allows.
func TestArrowsHaveNoCircle(t *testing.T) {
	for from, may := range arrows {
		for _, to := range may {
			if !strings.HasSuffix(from, "/") && !strings.HasSuffix(to, "/") && allowed(to, from) {
				t.Errorf("%s and %s may import each other", from, to)
			}
		}
	}
}

func within(name, room string) bool { return name == room || strings.HasPrefix(name, room+"/") }

func TestImportsGoOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, path := range p.Imports {
			to, ours := strings.CutPrefix(path, module+"/")
			if ours && !allowed(p.room(), to) {
				t.Errorf("%s imports %s: the table of the architecture does not allow that", p.room(), to)
			}
		}
		if within(p.room(), "firmware-sim") {
			for _, path := range append(p.TestImports, p.XTestImports...) {
				to, ours := strings.CutPrefix(path, module+"/")
				if ours && !within(to, "firmware-sim") && !within(to, "internal") {
					t.Errorf("a test of %s imports %s: the simulator is a witness independent of the bridge", p.room(), to)
				}
			}
		}
	}
}

func TestTableForbids(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"cmd/mqtt-ws-bridge", "bridge/upstream", true},
		{"cmd/mqtt-ws-bridge", "firmware-sim/device", false},
		{"cmd/mqtt-ws-bridge", "internal/install", false},
		{"bridge/upstream", "bridge", true},
		{"bridge/access", "bridge/access/topic", true},
		{"bridge/upstream", "bridge/access", false},
		{"bridge/upstream", "wsio", false},
		{"cmd/mqtt-ws-bridge", "config/tlsfiles", true},
		{"config", "config/tlsfiles", true},
		{"wsio", "config/tlsfiles", false},
		{"wsio/listener", "wsio/tlsrecords", true},
		{"bridge/upstream", "wsio/tlsrecords", true},
		{"bridge", "wsio/tlsrecords", false},
		{"wsio", "internal/certs", false},
		{"bridge/upstream", "internal/certs", false},
		{"config", "internal/certs", false},
		{"bridge/upstream", "config/tlsfiles", false},
		{"bridge", "bridge/upstream", false},
		{"bridge", "bridge/drive", true},
		{"bridge/loop", "bridge/drive", true},
		{"bridge/drive", "mqttio", false},
		{"bridge/drive", "bridge", false},
		{"bridge", "bridge/socket", true},
		{"bridge", "bridge/reason", true},
		{"bridge/quota", "bridge/reason", true},
		{"wsio", "bridge/reason", false},
		{"bridge/upstream", "bridge/socket", true},
		{"wsio", "bridge/socket", false},
		{"bridge", "wsio", false},
		{"mqttio", "bridge", false},
		{"wsio/handshake", "wsio/listener", true},
		{"wsio/listener", "wsio/handshake", false},
		{"wsio/frame", "wsio/listener", false},
		{"wsio/refusal", "wsio/frame", false},
		{"bridge/reason", "bridge", false},
		{"firmware-sim", "mqttio", false},
		{"elsewhere", "mqttio", false},
	} {
		if got := allowed(c.from, c.to); got != c.want {
			t.Errorf("%s imports %s: allowed is %t, want %t", c.from, c.to, got, c.want)
		}
	}
}

func TestEveryPackageIsExplained(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package doc", p.room())
		}
	}
}

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

// table says what of this module each room may import: the rooms themselves and what is below them. The longest name that
// fits a package counts. It is the table of the architecture: cmd -> bridge/* -> bridge -> mqttio; cmd -> wsio, config.
var table = map[string][]string{
	"cmd":     {"cmd", "bridge", "wsio", "mqttio", "config"},
	"bridge":  {"=bridge/drive", "=bridge/fairqueue", "=bridge/leg", "=bridge/loglimit", "=bridge/police", "=bridge/reason", "=bridge/socket", "=config/current", "mqttio"},
	"bridge/": {"=bridge", "=bridge/drive", "=bridge/fairqueue", "=bridge/police", "=bridge/reason", "=bridge/socket", "=config/current", "mqttio", "wsio/tlsrecords"}, // and what is below itself, but no room beside it
	// A driver knows no MQTT.
	"bridge/drive": {},
	// A leg decides nothing, and the police knows no session.
	"bridge/leg":    {"mqttio"},
	"bridge/police": {"=bridge/leg", "=bridge/reason", "mqttio"},
	"bridge/reason": {"mqttio"},
	"wsio":          {"wsio"},
	"mqttio":        {"mqttio"},
	"config":        {"config"},
	"firmware-sim":  {"firmware-sim"}, // an independent witness
	"internal":      {"internal"},     // for tests only: what ships imports none of it
}

// allowed is the table's word on one import.
func allowed(from, to string) bool {
	first, below, _ := strings.Cut(from, "/")
	entry := first
	if first == "bridge" && below != "" {
		entry = "bridge/"
		second, _, _ := strings.Cut(below, "/")
		if within(to, "bridge/"+second) {
			return true
		}
		if room := "bridge/" + second; table[room] != nil {
			entry = room
		}
	}
	return slices.ContainsFunc(table[entry], func(room string) bool {
		if exact, ok := strings.CutPrefix(room, "="); ok {
			return to == exact
		}
		return within(to, room)
	})
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
		{"bridge/upstream", "bridge/upstream/pool", true},
		{"bridge/upstream", "bridge/access", false},
		{"bridge/upstream", "wsio", false},
		{"cmd/mqtt-ws-bridge", "config/tlsfiles", true},
		{"config", "config/tlsfiles", true},
		{"wsio", "config/tlsfiles", false},
		{"wsio", "wsio/tlsrecords", true},
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
		{"wsio/frame", "wsio", true},
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

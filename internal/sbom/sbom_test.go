package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// TestBillNamesEveryModule: what the go command says that the bridge is made of stands in its bill, with the Go release, and nothing else does.
func TestBillNamesEveryModule(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "mqtt-ws-bridge")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "mqtt-ws-bridge/cmd/mqtt-ws-bridge")
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", "mqtt-ws-bridge/cmd/mqtt-ws-bridge")
	for _, cmd := range []*exec.Cmd{build, list} {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(out))
	slices.Sort(want)
	want = slices.Compact(want)
	if err := write(program); err != nil {
		t.Fatal(err)
	}
	bom := decode(t, program+suffix)
	var got []string
	for _, c := range *bom.Components {
		if c.PackageURL != "pkg:golang/"+c.Name+"@"+strings.ReplaceAll(c.Version, "+", "%2B") {
			t.Errorf("%s %s has the URL %s", c.Name, c.Version, c.PackageURL)
		}
		if c.Name != "std" {
			got = append(got, c.Name+"@"+c.Version)
		} else if !regexp.MustCompile(`^1\.\d+`).MatchString(c.Version) {
			t.Errorf("Go is %q", c.Version)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) || len(*bom.Components) != len(want)+1 {
		t.Errorf("the bill has %v, want %v", got, want)
	}
	main := bom.Metadata.Component
	if main.Name != "mqtt-ws-bridge" || main.Hashes == nil || len(*(*bom.Dependencies)[0].Dependencies) != len(want)+1 {
		t.Errorf("of the program it says %+v", main)
	}
	first, _ := os.ReadFile(program + suffix)
	if err := write(program); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(program + suffix); !bytes.Equal(first, second) {
		t.Error("written twice, it differs")
	}
}

func decode(t *testing.T, name string) *cdx.BOM {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	bom := new(cdx.BOM)
	if err := json.Unmarshal(content, bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(bom.SerialNumber) {
		t.Errorf("format %q, serial number %q", bom.BOMFormat, bom.SerialNumber)
	}
	return bom
}

// TestNoBill: what is no Go program has none.
func TestNoBill(t *testing.T) {
	name := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(name, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := write(name); err == nil {
		t.Error("there is a bill for a text")
	}
	if _, err := os.Stat(name + suffix); err == nil {
		t.Error("and a file")
	}
}

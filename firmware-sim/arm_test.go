package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/firmware-sim/internal/faulty"
)

// emulators run binaries of other processors; Debian has them in the package qemu-user-static.
var emulators = map[string]struct{ arch, arm string }{
	"qemu-arm-static":     {"arm", "6"},
	"qemu-arm-static v7":  {"arm", "7"},
	"qemu-aarch64-static": {"arm64", ""},
}

// TestRunsOnARM builds the simulator for arm v6, v7 and arm64 and runs a fleet with each.
func TestRunsOnARM(t *testing.T) {
	if testing.Short() {
		t.Skip("builds three programs; not with -short")
	}
	url := faulty.Start(t).URL
	for name, target := range emulators {
		program, _, _ := strings.Cut(name, " ")
		t.Run(target.arch+target.arm, func(t *testing.T) {
			emulator := emulator(t, program)
			binary := filepath.Join(t.TempDir(), "firmware-sim")
			build := exec.Command("go", "build", "-o", binary, ".")
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+target.arch, "GOARM="+target.arm)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			run := exec.Command(emulator, binary, "run", "--url", url, "--devices", "18", "--profile", "all", "--messages", "5", "--rate", "10",
				"--commands", "5", "--prefix", "arm/"+target.arch+target.arm, "--client-id", fmt.Sprintf("%s%s-{n}", target.arch, target.arm))
			out, err := run.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "verdict: clean") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// emulator finds qemu-user, installs it where that is possible, and skips where it is not.
func emulator(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if _, err := os.Stat("/etc/debian_version"); err == nil && os.Geteuid() == 0 {
		install := exec.Command("sh", "-c", "apt-get update && apt-get install -y --no-install-recommends qemu-user-static")
		install.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := install.CombinedOutput(); err != nil {
			t.Logf("apt-get: %v\n%.500s", err, out)
		}
		if path, err = exec.LookPath(program); err == nil {
			return path
		}
	}
	t.Skip("needs qemu-user: install the Debian package qemu-user-static")
	return ""
}

package install

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Go builds the program at an import path in the module of dir, at the versions that its go.mod and go.sum pin, once per content of go.sum and
// Go version, into the cache of the tests, and returns its file.
func Go(t testing.TB, dir, path string) string {
	t.Helper()
	pinned, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatalf("read the sums: %v", err)
	}
	sum := sha256.Sum256(append(pinned, path+runtime.Version()+runtime.GOOS+runtime.GOARCH...))
	program := filepath.Join(cacheDir(t), "go-"+hex.EncodeToString(sum[:8]))
	defer lock(t, "go-build")()
	if _, err := os.Stat(program); err == nil {
		return program
	}
	unfinished := program + ".new"
	cmd := exec.Command("go", "build", "-mod=readonly", "-trimpath", "-o", unfinished, path)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "build %s: %v\n%s", path, err, tail(out))
	}
	if err := os.Rename(unfinished, program); err != nil {
		t.Fatalf("keep the program: %v", err)
	}
	return program
}

package install

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NPM installs the packages that package.json and package-lock.json of dir pin, once per content of the lock file, into the
// cache of the tests, and returns the directory that holds node_modules. No script of any package is run.
func NPM(t testing.TB, dir string) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		Debian(t, "nodejs", "npm")
	}
	locked, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatalf("read the lock file: %v", err)
	}
	sum := sha256.Sum256(locked)
	home := filepath.Join(cacheDir(t), "npm-"+hex.EncodeToString(sum[:8]))
	done := filepath.Join(home, "installed")
	defer lock(t, "npm")()
	if _, err := os.Stat(done); err == nil {
		return home
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		t.Fatalf("make the npm directory: %v", err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(home, name), content, 0o644)
		}
		if err != nil {
			t.Fatalf("copy %s: %v", name, err)
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = home
	if out, err := cmd.CombinedOutput(); err != nil {
		missing(t, "install the npm packages of %s: %v\n%s", dir, err, tail(out))
	}
	if err := os.WriteFile(done, nil, 0o644); err != nil {
		t.Fatalf("note the finished npm install: %v", err)
	}
	return home
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// vulncheck runs CI's check for known vulnerabilities over one package, with further environment.
func vulncheck(t *testing.T, env ...string) (status int, said string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("a shell script, which CI runs on Linux")
	}
	cmd := exec.Command("../../.ci/vulncheck", "-scan", "package", "./wsio/handshake")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// database writes one that knows of a vulnerability in a module.
func database(t *testing.T, module string) (url string) {
	t.Helper()
	dir := t.TempDir()
	const at = `"modified":"2026-01-01T00:00:00Z"`
	for name, content := range map[string]string{
		"index/db.json":      `{` + at + `}`,
		"index/modules.json": fmt.Sprintf(`[{"path":%q,"vulns":[{"id":"GO-2026-9999",%s}]}]`, module, at),
		"ID/GO-2026-9999.json": fmt.Sprintf(`{"schema_version":"1.3.1","id":"GO-2026-9999",%s,"published":"2026-01-01T00:00:00Z",
			"summary":"made up","details":"made up","affected":[{"package":{"name":%q,"ecosystem":"Go"},
			"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":%[2]q}]}}],"database_specific":{"url":"nowhere"}}`, at, module),
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "file://" + dir
}

// TestVulnerabilityCheck: a vulnerability in what is used is found, one elsewhere is none, and a database that cannot be reached is never
// taken for one that knows of nothing. The databases are made up: they show that the check works, not what it finds.
func TestVulnerabilityCheck(t *testing.T) {
	const loudly = "NOT CHECKED FOR KNOWN VULNERABILITIES"
	// Not the first case: by then the tool has been fetched and built.
	nowhere := []string{"HTTPS_PROXY=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1", "NO_PROXY=", "no_proxy="}
	for _, c := range []struct {
		name   string
		env    []string
		status int
		says   string
	}{
		{"in use", []string{"VULNDB=" + database(t, "github.com/coder/websocket")}, 3, "GO-2026-9999"},
		{"elsewhere", []string{"VULNDB=" + database(t, "example.com/elsewhere")}, 0, "No vulnerabilities found"},
		{"not reached", nowhere, 75, loudly},
		{"not reached for a release", append(nowhere, "VULNCHECK=required"), 1, loudly},
		{"no database", []string{"VULNDB=nonsense://"}, 1, ""},
	} {
		status, said := vulncheck(t, c.env...)
		if status != c.status || !strings.Contains(said, c.says) || strings.Contains(said, loudly) != (c.says == loudly) {
			t.Errorf("%s: status %d, want %d:\n%s", c.name, status, c.status, said)
		}
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"mqtt-ws-bridge/config"
)

// TestExitStatus holds the statuses and that results go to stdout, complaints to stderr.
func TestExitStatus(t *testing.T) {
	for _, tc := range []struct {
		args   string
		env    []string
		status int
	}{
		{args: "version", status: 0},
		{args: "--help", status: 0},
		{args: "help config", status: 0},
		{args: "help config limits", status: 0},
		{args: "help config no.such.key", status: 2},
		{args: "help keys", status: 0},
		{args: "help check-config", status: 0},
		{args: "help nonsense", status: 2},
		{args: "--version", status: 0},
		{args: "-v", status: 0},
		{args: "config access.sources", status: 0},
		{args: "config limit.sessions", status: 2},
		{args: "check-config testdata/none.yaml", status: 2},
		{args: "-c testdata/none.yaml", status: 2},
		{args: "check-config -c a b", status: 2},
		{args: "completion bash", status: 0},
		{args: "man", status: 0},
		{args: "check-config", status: 0},
		{args: "config --example", status: 0},
		{args: "config", status: 0},
		{args: "check-config --listen x", status: 2},
		{args: "config --listen x", status: 2},
		{args: "--listen x", status: 2},
		{args: "", env: []string{"MQTT_WS_BRIDGE_LISTEN=x"}, status: 2},
		{args: "--no-such-flag", status: 2},
		{args: "no-such-command", status: 2},
		{args: "config too much", status: 2},
		{args: "--listen", status: 2},
	} {
		var stdout, stderr bytes.Buffer
		status := run(strings.Fields(tc.args), tc.env, &stdout, &stderr)
		if status != tc.status {
			t.Errorf("%q ends with %d, want %d", tc.args, status, tc.status)
		}
		if status == 0 && (stdout.Len() == 0 || stderr.Len() > 0) || status != 0 && (stdout.Len() > 0 || stderr.Len() == 0) {
			t.Errorf("%q ends with %d\nstdout: %s\nstderr: %s", tc.args, status, &stdout, &stderr)
		}
	}
}

// TestSecretsInArguments: whatever is wrong with the line, a secret on it is not repeated.
func TestSecretsInArguments(t *testing.T) {
	for _, args := range [][]string{
		{"tcp://user:canary@broker"},
		{"config", "tcp://user:canary@broker"},
		{"config", "--upstream", "tcp://user:canary@broker"},
		{"config", "-upstream=tcp://user:canary@broker"},
		{"config", "--upstreams=tcp://user:canary@broker"},
		{"config", "--upstream.header=Authorization=canary"},
		{"config", "--upstream.headers=canary"},
		{"config", "--upstream.headers=Authorization=canary"},
		{"config", "--upstream=ws://b", "--upstream.headers=Authorization=canary"},
		{"config", "--upstream=ws://b?token=canary"},
		{"check-config", "--config=tcp://user:canary@broker"},
		{"check-config", "--admin=user:canary@broker"},
	} {
		var out bytes.Buffer
		run(args, nil, &out, &out)
		if strings.Contains(out.String(), "canary") || out.Len() == 0 {
			t.Errorf("%q prints\n%s", args, &out)
		}
	}
}

// TestHelpNamesEveryKey and nothing wider than a usual terminal.
func TestHelpNamesEveryKey(t *testing.T) {
	var out bytes.Buffer
	run([]string{"help", "keys"}, nil, &out, &out)
	for _, key := range config.Keys() {
		if key.Flag == "" {
			continue // only a file can set it
		}
		if strings.Count(out.String(), "  --"+key.Flag) != 1 && !strings.Contains(out.String(), "  --"+key.Flag+" ") {
			t.Errorf("help lacks --%s", key.Flag)
		}
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 101 || strings.TrimRight(line, " \n")+"\n" != line {
			t.Errorf("line is too wide or ends with a space: %q", line)
		}
	}
}

// TestHelpIsShort: what most people need fits a screen or two, and says where the rest is.
func TestHelpIsShort(t *testing.T) {
	var out bytes.Buffer
	run([]string{"--help"}, nil, &out, &out)
	if n := strings.Count(out.String(), "\n"); n > 70 {
		t.Errorf("help has %d lines", n)
	}
	seen := make(map[string]bool)
	for line := range strings.Lines(out.String()) {
		term := strings.Fields(line + " .")[0]
		if strings.HasPrefix(term, "--") && seen[term] {
			t.Errorf("%s stands there twice", term)
		}
		seen[term] = true
	}
	for _, key := range config.Keys() {
		name, _, dotted := strings.Cut(key.Name, ".")
		if !key.Common && !seen["--"+name] && !(dotted && seen["--"+name+"."]) {
			t.Errorf("help does not lead to %s", key.Name)
		}
	}
}

// TestEveryKeyIsExplained by its name, and found by its flag and variable; records with their fields.
func TestEveryKeyIsExplained(t *testing.T) {
	for _, key := range config.Keys() {
		for _, name := range []string{key.Name, "--" + key.Flag, key.Env} {
			var out bytes.Buffer
			if name == "--" || name == "" {
				continue
			}
			if !explain(&out, name) || !strings.HasPrefix(out.String(), key.Name+" (") || !strings.Contains(out.String(), strings.Fields(key.Doc)[0]) {
				t.Errorf("%s is explained as\n%s", name, &out)
			}
		}
		if key.Kind == config.Records && len(key.Fields()) == 0 {
			t.Errorf("%s has no fields", key.Name)
		}
	}
}

// TestCompletion: a shell completes commands, flags, words, schemes, files and names of keys.
func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"--log.level ":     "warn\n",
		"--upstream ":      "tls://\n",
		"--config ":        "yaml\n",
		"check-config ":    "yaml\n",
		"config limits.s":  "limits.sessions\t",
		"help config drai": "drain\t",
		"comp":             "completion\t",
	} {
		var out bytes.Buffer
		run(append([]string{"__complete"}, strings.Split(args, " ")...), nil, &out, &bytes.Buffer{})
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is completed with %q, want %q", args, &out, want)
		}
	}
}

// TestManualPage has every flag, and is the same each time.
func TestManualPage(t *testing.T) {
	var page, again bytes.Buffer
	run([]string{"man"}, nil, &page, &page)
	run([]string{"man"}, nil, &again, &again)
	if !strings.HasPrefix(page.String(), ".nh\n.TH") || page.String() != again.String() || !strings.Contains(page.String(), `--limits.sessions`) {
		t.Errorf("the page begins with %.100q", page.String())
	}
	dir := filepath.Join(t.TempDir(), "man", "man1") // made if it is not there
	run([]string{"man", dir}, nil, &page, &page)
	if _, err := os.Stat(filepath.Join(dir, "mqtt-ws-bridge-check-config.1")); err != nil {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.99", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	const want = "mqtt-ws-bridge v1.2.3 (commit abc, of 2026-01-02T03:04:05Z, modified) go1.99 "
	if got := version(info); !strings.HasPrefix(got, want) {
		t.Errorf("version is %q", got)
	}
	if got := version(nil); !strings.HasPrefix(got, "mqtt-ws-bridge unknown go1.") {
		t.Errorf("version is %q", got)
	}
}

func TestLogger(t *testing.T) {
	for _, tc := range []struct{ level, format, want string }{
		{"info", "auto", `"msg":"hello","key":"value"}`},
		{"warn", "json", ""},
		{"debug", "json", `"msg":"hello"`},
		{"info", "text", "INF hello key=value\n"},
	} {
		var out bytes.Buffer
		newLogger(config.Log{Level: tc.level, Format: tc.format}, &out, nil).Info("hello", "key", "value")
		if !strings.Contains(out.String(), tc.want) || tc.want == "" && out.Len() > 0 || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s %s writes %q", tc.level, tc.format, out.String())
		}
	}
}

package main

import (
	"bytes"
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
	run([]string{"--help"}, nil, &out, &out)
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

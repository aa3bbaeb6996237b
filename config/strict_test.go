package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestProblemsOutsideFiles(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		env, args []string
		want      []string
	}{
		"unknown variables": {
			env: []string{"LIMITS_SESIONS=1", "WRITE_TIMEOUT=1s", "CONFIGG=x", "UPSTREAM_TLS_SNI=x", "BAD"},
			want: []string{
				"MQTT_WS_BRIDGE_LIMITS_SESIONS: no key has this variable; did you mean MQTT_WS_BRIDGE_LIMITS_SESSIONS?",
				"MQTT_WS_BRIDGE_WRITE_TIMEOUT: no key has this variable; did you mean MQTT_WS_BRIDGE_LIMITS_WRITE_TIMEOUT?",
				"MQTT_WS_BRIDGE_CONFIGG: no key has this variable; did you mean MQTT_WS_BRIDGE_CONFIG?",
				"MQTT_WS_BRIDGE_UPSTREAM_TLS_SNI: no key has this variable; unset it; mqtt-ws-bridge help keys lists every key",
			},
		},
		"bad values from all sides": {
			env:  []string{"DRAIN_TIMEOUT=30", "UPSTREAM_HEADERS=canary", "LIMITS_PACKET_SIZE=-1"},
			args: []string{"--limits.sessions=", "--upstream=tcp://u:canary@b", "--subprotocol.optional=1", "--upstream.headers", "A=canary", "--upstream.headers", "A=canary"},
			want: []string{
				`MQTT_WS_BRIDGE_DRAIN_TIMEOUT: drain.timeout: "30" has no unit; write 30s for seconds`,
				`MQTT_WS_BRIDGE_UPSTREAM_HEADERS: upstream.headers: item 1 has no name and =; write NAME=VALUE; a value with a comma can stand in a flag or the file`,
				`MQTT_WS_BRIDGE_LIMITS_PACKET_SIZE: limits.packet-size: "-1" is not a size; write bytes as 512B, 64KiB, 16MiB or 1GiB`,
				`--limits.sessions: limits.sessions: is empty; write a number`,
				`--subprotocol.optional: subprotocol.optional: "1" is neither true nor false; write true or false`,
				`--upstream.headers: upstream.headers: "A" is given twice; name it once`,
				`--upstream: upstream.urls: "tcp://***@b" holds a user name or password; remove it; a device's own CONNECT carries its credentials`,
			},
		},
		"no file": {
			args: []string{"--config", "testdata/absent.yaml", "--drain.rate=0"},
			want: []string{
				"--config: testdata/absent.yaml: no such file; name a readable YAML file",
				"--drain.rate: drain.rate: 0 is out of range; write 1 to 10000000",
			},
		},
		"huge file":      {args: []string{"--config", huge}, want: []string{"--config: " + huge + ": is larger than 1MiB; name a readable YAML file"}},
		"not the reason": {env: []string{"UPSTREAM_URLS=x"}, args: []string{"--upstream.headers=A=b"}, want: []string{`MQTT_WS_BRIDGE_UPSTREAM_URLS: upstream.urls: "x" has no scheme; write tcp://HOST:PORT or tls://HOST:PORT`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(t, "", tc.env, tc.args...)
			if want := strings.Join(tc.want, "\n"); err == nil || err.Error() != want {
				t.Errorf("problems:\n%v\nwant:\n%s", err, want)
			}
		})
	}
}

// TestKubernetesVariables: a Service named after the bridge must not stop it.
func TestKubernetesVariables(t *testing.T) {
	links := []string{
		"SERVICE_HOST=10.0.0.1", "SERVICE_PORT=8083", "SERVICE_PORT_MQTT=8083", "PORT=tcp://10.0.0.1:8083",
		"PORT_8083_TCP=tcp://10.0.0.1:8083", "PORT_8083_TCP_PROTO=tcp", "PORT_8083_TCP_PORT=8083", "PORT_8083_TCP_ADDR=10.0.0.1",
		"ADMIN_SERVICE_HOST=10.0.0.2", "ADMIN_PORT_9090_TCP_ADDR=10.0.0.2", "ADMIN_PORT=tcp://10.0.0.2:9090",
	}
	mustLoad(t, "", links)
	if _, _, err := load(t, "", []string{"PORT=8083"}); err == nil {
		t.Error("a port somebody wrote is ignored")
	}
	for _, key := range Keys() {
		if serviceLink.MatchString(strings.TrimPrefix(key.Env, envPrefix) + "=tcp://x") {
			t.Errorf("%s looks like a service link", key.Env)
		}
	}
}

// TestKeyTable holds that names are unambiguous and that all tags can be read.
func TestKeyTable(t *testing.T) {
	envs, flags := map[string]string{envFile: "the file"}, map[string]string{FileFlag: "the file"}
	for _, k := range Keys() {
		if k.Kind == Records {
			if k.Env != "" || k.Flag != "" {
				t.Errorf("%s has a variable or a flag", k.Name)
			}
			continue
		}
		if other := envs[k.Env]; other != "" {
			t.Errorf("%s and %s share a variable", k.Name, other)
		}
		envs[k.Env] = k.Name
		if other := flags[k.Flag]; other != "" {
			t.Errorf("%s and %s share a flag", k.Name, other)
		}
		flags[k.Flag] = k.Name
		f := find(k.Name)
		for _, text := range strings.Fields(f.tag.Get("range")) {
			if v, err := parseScalar(f.typ, text); err != nil || reflect.ValueOf(v).Int() != bound(f.kind, text) {
				t.Errorf("%s: range %q: %v", k.Name, text, err)
			}
		}
		if !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: documentation is no sentence", k.Name)
		}
	}
}

// TestSecretsStaySecret looks for planted secrets in everything that prints configuration.
func TestSecretsStaySecret(t *testing.T) {
	cfg, origins := mustLoad(t, "upstream:\n  urls: ['ws://b/mqtt?token=canary']\n  headers: {Authorization: Bearer canary}\n", nil)
	if string(cfg.Upstream.Headers["Authorization"]) != "Bearer canary" {
		t.Fatal("the header is lost")
	}
	var b strings.Builder
	for _, s := range Effective(cfg, origins) {
		fmt.Fprintln(&b, s.Key, s.Value, s.Source)
	}
	if !strings.Contains(b.String(), `upstream.headers {Authorization: "***"}`) || !strings.Contains(b.String(), `["ws://b/mqtt?***"]`) {
		t.Errorf("effective values are\n%s", b.String())
	}
	cfg.Upstream.URLs = nil
	fmt.Fprintf(&b, "%v %+v %#v %s\n", cfg, cfg, cfg, cfg.Upstream.Headers["Authorization"])
	data, err := json.Marshal(cfg)
	b.Write(data)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "headers", cfg.Upstream.Headers, "one", cfg.Upstream.Headers["Authorization"], "cfg", cfg)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "headers", cfg.Upstream.Headers, "cfg", cfg)
	if err != nil || strings.Contains(b.String(), "canary") {
		t.Errorf("a secret is shown (%v):\n%s", err, b.String())
	}
	for _, url := range []string{"tcp://u:can/ary@b", "tcp://canary@", "canary:x@b", "tcp:canary@b", "TCP://canary@b", "%zz://canary@b", "tcp://a@canary@b", "ws://b/?canary", "wss://canary:canary@b:99999"} {
		_, err := ParseUpstream(url)
		if err == nil && strings.Contains(url, "?") {
			continue
		}
		if err == nil || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "can/ary") {
			t.Errorf("ParseUpstream(%q) says %v", url, err)
		}
	}
}

func TestProblemsAreOneLineEach(t *testing.T) {
	_, _, err := load(t, "\"a\\nb\\e[31m\": 1\n", nil, "--log.level=x\ny")
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || strings.Count(err.Error(), "\n") != 1 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("problems: %q", err)
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{
		"limits.sesions": "limits.sessions", "LIMITS_SESSIONS": "limits.sessions", "sessions": "limits.sessions", "lisetn": "listen",
		"upstream.url": "upstream.urls", "cert": "", "": "", "qqqq": "", "tls.min_version": "tls.min-version", strings.Repeat("x", 5000): "",
	} {
		if got := Nearest(word, keyNames(false)); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

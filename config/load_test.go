package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// load runs Load with a file of that content (none if empty), variables without their prefix, and flags.
func load(t testing.TB, file string, env []string, args ...string) (*Config, Origins, error) {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	environ := []string{"PATH=/bin", "OTHER_MQTT_WS_BRIDGE_LISTEN=x", "MQTT_WS_BRIDGE=x"}
	for _, v := range env {
		environ = append(environ, envPrefix+v)
	}
	if file != "" {
		name := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		environ = append(environ, envFile+"="+name)
	}
	return Load(Input{Flags: flags, Environ: environ})
}

func mustLoad(t *testing.T, file string, env []string, args ...string) (*Config, Origins) {
	t.Helper()
	cfg, origins, err := load(t, file, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, origins
}

// samples has for every key three different values, as file, environment and flags write them.
var samples = map[string][3]string{
	"listen":                         {`[":1"]`, ":2", ":3"},
	"paths":                          {`[/a]`, "/b", "/c"},
	"health-path":                    {"/a", "/b", "off"},
	"origins":                        {`[null]`, "http://b", "http://c"},
	"subprotocol.optional":           {"true", "TRUE", "true"},
	"subprotocol.extra":              {"[a]", "b", "c"},
	"addresses.proxy-protocol":       {"[10.0.0.0/8]", "10.0.0.1", "fe80::/10"},
	"addresses.header":               {"forwarded", "x-forwarded-for", "forwarded"},
	"addresses.trusted-proxies":      {"[10.0.0.0/8]", "10.0.0.1", "fe80::/10"},
	"tls.min-version":                {"1.3", "1.3", "1.3"},
	"upstream.urls":                  {"[tcp://a]", "tcp://b", "tcp://c"},
	"upstream.tls.min-version":       {"1.3", "1.3", "1.3"},
	"upstream.headers":               {"{X.a: 1}", "X.a=2", "X.a=3"},
	"upstream.subprotocol":           {"a", "b", "c"},
	"upstream.proxy-protocol":        {"v1", "v2", "v1"},
	"upstream.dial-timeout":          {"1s", "2s", "3s"},
	"upstream.connack-timeout":       {"1s", "2s", "3s"},
	"upstream.ping-interval":         {"1s", "2s", "3s"},
	"upstream.proxy.url":             {"http://a:1", "http://b:2", "http://c:3"},
	"upstream.proxy.username":        {"a", "b", "c"},
	"upstream.proxy.password":        {"a", "b", "c"},
	"upstream.tls.alpn":              {"[a]", "b", "c"},
	"upstream.tls.pins":              {"[" + pin("A") + "]", pin("B"), pin("C")},
	"upstream.tls.ciphers":           {"[TLS_RSA_WITH_AES_128_CBC_SHA]", "AES256-SHA", "ECDHE-RSA-AES128-GCM-SHA256"},
	"upstream.tls.common-name":       {"true", "TRUE", "true"},
	"upstream.health-interval":       {"1s", "2s", "3s"},
	"embedded.listen":                {":1", ":2", "off"},
	"access.connect.client-id":       {"a", "b", "c"},
	"access.connect.username":        {"a", "b", "c"},
	"access.connect.password":        {"a", "b", "c"},
	"access.connect.user-properties": {"{X.a: 1}", "X.a=2", "X.a=3"},
	"access.require.client-id":       {"a", "b", "c"},
	"access.require.username":        {"a", "b", "c"},
	"access.mount":                   {"a/", "b/", "c/"},
	"access.rules-claim":             {"a", "b", "c"},
	"access.retain":                  {"false", "FALSE", "false"},
	"access.denied-publish":          {"close", "close", "close"},
	"access.expiry-will":             {"false", "FALSE", "false"},
	"limits.sessions":                {"1", "2", "3"},
	"limits.memory":                  {"1GiB", "2gb", "64 MiB"},
	"limits.dials":                   {"1", "2", "3"},
	"limits.handshakes":              {"1", "2", "3"},
	"limits.handshake-timeout":       {"1s", "2s", "3s"},
	"limits.header-size":             {"1KiB", "2kb", "3k"},
	"limits.connect-size":            {"1KiB", "2048", "3 KiB"},
	"limits.connect-timeout":         {"1s", "2s", "3s"},
	"limits.packet-size":             {"1MiB", "1.5MiB", "200B"},
	"limits.subscribe-filters":       {"1", "2", "3"},
	"limits.packet-timeout":          {"1s", "3m", "0s"},
	"limits.control-frames":          {"1", "2", "3"},
	"limits.write-timeout":           {"1s", "2s", "3s"},
	"quotas.burst":                   {"1s", "3s", "4s"},
	"quotas.ipv6-prefix":             {"48", "56", "128"},
	"quotas.device.messages-up":      {"1", "2", "3"},
	"quotas.device.messages-down":    {"1", "2", "3"},
	"quotas.device.subscriptions":    {"1", "2", "3"},
	"quotas.device.topic-levels":     {"1", "2", "3"},
	"quotas.device.bytes-up":         {"1KiB", "2KiB", "3KiB"},
	"quotas.device.bytes-down":       {"1KiB", "2KiB", "3KiB"},
	"quotas.identity.messages-up":    {"1", "2", "3"},
	"quotas.identity.messages-down":  {"1", "2", "3"},
	"quotas.identity.connections":    {"1", "2", "3"},
	"quotas.identity.connect-rate":   {"1", "2", "3"},
	"quotas.identity.bytes-up":       {"1KiB", "2KiB", "3KiB"},
	"quotas.identity.bytes-down":     {"1KiB", "2KiB", "3KiB"},
	"quotas.address.messages-up":     {"1", "2", "3"},
	"quotas.address.messages-down":   {"1", "2", "3"},
	"quotas.address.connections":     {"1", "2", "3"},
	"quotas.address.connect-rate":    {"1", "2", "3"},
	"quotas.address.bytes-up":        {"1KiB", "2KiB", "3KiB"},
	"quotas.address.bytes-down":      {"1KiB", "2KiB", "3KiB"},
	"quotas.total.messages-up":       {"1", "2", "3"},
	"quotas.total.messages-down":     {"1", "2", "3"},
	"quotas.total.connect-rate":      {"1", "2", "3"},
	"quotas.total.bytes-up":          {"1KiB", "2KiB", "3KiB"},
	"quotas.total.bytes-down":        {"1KiB", "2KiB", "3KiB"},
	"event-loops":                    {"off", "off", "off"},
	"browser-reasons":                {"off", "off", "off"},
	"downlink.frame-size":            {"1KiB", "2KiB", "3KiB"},
	"downlink.ping-interval":         {"1s", "2s", "3s"},
	"keepalive.grace":                {"1s", "2s", "3s"},
	"keepalive.idle-timeout":         {"1s", "2s", "3s"},
	"keepalive.tcp":                  {"1s", "2s", "3s"},
	"drain.rate":                     {"1", "2", "3"},
	"drain.timeout":                  {"1s", "2s", "0"},
	"admin.listen":                   {":1", ":2", ""},
	"admin.hosts":                    {"[a]", "b", "c"},
	"admin.pprof":                    {"on", "on", "on"},
	"log.level":                      {"debug", "warn", "error"},
	"log.format":                     {"text", "json", "text"},
	"log.connects":                   {"true", "TRUE", "true"},
	"log.rate":                       {"1", "2", "3"},
}

// pin is a pin of these letters.
func pin(letter string) string { return "sha256/" + strings.Repeat(letter, 42) + "A=" }

// needsFiles are tested with certificates elsewhere.
var needsFiles = []string{"tls.cert", "tls.key", "tls.ocsp", "tls.certificates", "tls.client-auth", "tls.client-ca", "tls.crl",
	"tls.record-size", "tls.ciphers",
	"upstream.tls.ca", "upstream.tls.cert", "upstream.tls.key", "upstream.tls.server-name"}

// needed is what a key has no effect without: as a file says it, unless the key's sample takes its place, and as a flag.
var needed = map[string]struct{ file, arg string }{
	"upstream.headers":          {"upstream: {urls: [ws://b]}", "--upstream=ws://b"},
	"upstream.ping-interval":    {"upstream: {urls: [ws://b]}", "--upstream=ws://b"},
	"upstream.proxy.url":        {"upstream: {urls: [ws://b]}", "--upstream=ws://b"},
	"upstream.proxy.username":   {"upstream: {urls: [ws://b], proxy: {url: 'http://p:1'}}", "--upstream=ws://b --upstream.proxy.url=http://p:1"},
	"upstream.proxy.password":   {"upstream: {urls: [ws://b], proxy: {url: 'http://p:1', username: u}}", "--upstream=ws://b --upstream.proxy.url=http://p:1 --upstream.proxy.username=u"},
	"upstream.tls.alpn":         {"upstream: {urls: [tls://b]}", "--upstream=tls://b"},
	"upstream.tls.pins":         {"upstream: {urls: [tls://b]}", "--upstream=tls://b"},
	"upstream.tls.ciphers":      {"upstream: {urls: [tls://b]}", "--upstream=tls://b"},
	"upstream.tls.common-name":  {"upstream: {urls: [tls://b]}", "--upstream=tls://b"},
	"upstream.proxy-protocol":   {"upstream: {urls: [ws://b]}", "--upstream=ws://b"},
	"addresses.header":          {"", "--addresses.trusted-proxies=10.0.0.1"},
	"addresses.trusted-proxies": {"", "--addresses.header=forwarded"},
}

// TestPrecedence sets every key in every combination of layers.
func TestPrecedence(t *testing.T) {
	for _, key := range Keys() {
		if slices.Contains(needsFiles, key.Name) || key.Kind == Records {
			continue
		}
		sample, ok := samples[key.Name]
		if !ok {
			t.Errorf("no samples for %s", key.Name)
			continue
		}
		alone := [4]reflect.Value{reflect.ValueOf(valueOf(t, Default(), key.Name))}
		for layers := range 1 << 3 {
			var file string
			var env, args []string
			if needs, ok := needed[key.Name]; ok && layers != 0 {
				file, args = needs.file, strings.Fields(needs.arg)
			}
			if layers&1 != 0 {
				file = nest(key.Name, sample[0])
			}
			if layers&2 != 0 {
				env = append(env, strings.TrimPrefix(key.Env, envPrefix)+"="+sample[1])
			}
			if layers&4 != 0 {
				args = append(args, "--"+key.Name+"="+sample[2])
			}
			cfg, origins := mustLoad(t, file, env, args...)
			got, winner := valueOf(t, cfg, key.Name), Defaults
			for layer := File; layer <= Flags; layer++ {
				if layers&(1<<(layer-1)) != 0 {
					winner = layer
				}
			}
			if layers == 1<<winner>>1 { // only this layer
				alone[winner] = reflect.ValueOf(got)
			}
			if !reflect.DeepEqual(got, alone[winner].Interface()) {
				t.Errorf("%s with layers %03b is %v, want that of layer %d", key.Name, layers, got, winner)
			}
			if at := origins.Of(key.Name); at.Layer != winner {
				t.Errorf("%s with layers %03b comes from %v, want layer %d", key.Name, layers, at, winner)
			}
		}
		for layer := File; layer <= Flags; layer++ {
			if reflect.DeepEqual(alone[layer].Interface(), alone[Defaults].Interface()) {
				t.Errorf("%s: the sample of layer %d has no effect", key.Name, layer)
			}
		}
	}
}

func valueOf(t *testing.T, cfg *Config, key string) any {
	var got any
	leaves(schema, reflect.ValueOf(cfg).Elem(), func(f *field, v reflect.Value) {
		if f.path == key {
			got = v.Interface()
		}
	})
	if got == nil {
		t.Fatalf("no key %s", key)
	}
	return got
}

func nest(key, value string) string {
	var b strings.Builder
	for i, part := range strings.Split(key, ".") {
		fmt.Fprintf(&b, "\n%s%s:", strings.Repeat("  ", i), part)
	}
	return b.String() + " " + value + "\n"
}

func TestDefaultsAndExample(t *testing.T) {
	bare, origins, err := Load(Input{})
	if err != nil || !reflect.DeepEqual(bare, Default()) || len(origins) != 0 {
		t.Errorf("no input gives %+v, %v, %v", bare, origins, err)
	}
	cfg, origins := mustLoad(t, Example, nil)
	if !reflect.DeepEqual(cfg, Default()) {
		t.Errorf("example.yaml gives\n%+v, not the defaults\n%+v", cfg, Default())
	}
	for _, key := range Keys() {
		if at := origins.Of(key.Name); at.Layer != File || at.Line == 0 {
			t.Errorf("example.yaml lacks %s", key.Name)
		}
	}
	if err := Validate(Default()); err != nil {
		t.Error(err)
	}
}

func TestLayersReplaceListsAndMaps(t *testing.T) {
	cfg, origins := mustLoad(t, "listen: [':1', ':2']\nupstream:\n  urls: [ws://a]\n  headers: {A: 1, B: 2}\n",
		[]string{"UPSTREAM_HEADERS=C=x=y, D = 4"}, "--listen=:4", "--listen", ":5", "--upstream", "wss://c", "--upstream.urls=ws://d")
	if want := []string{":4", ":5"}; !reflect.DeepEqual(cfg.Listen, want) {
		t.Errorf("listen is %q, want %q", cfg.Listen, want)
	}
	if want := []string{"wss://c", "ws://d"}; !reflect.DeepEqual(cfg.Upstream.URLs, want) {
		t.Errorf("upstream.urls is %q, want %q", cfg.Upstream.URLs, want)
	}
	if want := map[string]Secret{"C": "x=y", "D": "4"}; !reflect.DeepEqual(cfg.Upstream.Headers, want) {
		t.Errorf("upstream.headers is %#v", cfg.Upstream.Headers)
	}
	if at := origins.Of("listen[1]"); at.String() != "--listen" {
		t.Errorf("listen[1] comes from %v", at)
	}
}

func TestFileSectionsAliasesAndEmptyVariables(t *testing.T) {
	cfg, origins := mustLoad(t, "limits:\n  write-timeout: &t 7s\n  connect-timeout: *t\ndrain:\n",
		[]string{"LIMITS_SESSIONS=", "ADMIN_LISTEN=off", "ORIGINS="}, "--upstream.urls", "", "--subprotocol.optional")
	if cfg.Limits.WriteTimeout != 7*time.Second || cfg.Limits.ConnectTimeout != 7*time.Second {
		t.Errorf("limits are %+v", cfg.Limits)
	}
	if cfg.Limits.Sessions != Default().Limits.Sessions || origins.Of("limits.sessions") != (Source{}) {
		t.Errorf("limits.sessions is %d from %v", cfg.Limits.Sessions, origins.Of("limits.sessions"))
	}
	if cfg.Admin.Listen != "" || !cfg.Subprotocol.Optional || cfg.Upstream.URLs == nil {
		t.Errorf("config is %+v", cfg)
	}
}

func TestFileFlagWinsOverVariable(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.yaml")
	if err := os.WriteFile(other, []byte("drain: {rate: 7}"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, origins := mustLoad(t, "drain: {rate: 8}", nil, "--config", other)
	if cfg.Drain.Rate != 7 || origins.Of("drain.rate").Name != other {
		t.Errorf("drain.rate is %d from %v", cfg.Drain.Rate, origins.Of("drain.rate"))
	}
}

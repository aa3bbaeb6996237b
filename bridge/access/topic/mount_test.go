package topic_test

import (
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access/topic"
)

func TestCompileMount(t *testing.T) {
	for text, want := range map[string]string{
		"": "must end with /", "a": "must end with /", "/": "empty level", "/a/": "empty level", "a//b/": "empty level",
		"a/+/": "wildcard", "#/": "wildcard", "a/b#/": "wildcard", "a/{{client_id}}+/": "wildcard", "$SYS/": "begins with $",
		"{{nobody}}/": "placeholders are", "{{.Claims.a}}{{.Claims.b}}/": "placeholders are", "{{token}}/": "placeholders are",
		"a\x00/": "control characters", "a\xFF/": "UTF-8", strings.Repeat("a/", 200): "longer than", strings.Repeat("a", 1100) + "/": "longer than",
	} {
		if m, err := topic.CompileMount(text, 256); m != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestMountBind(t *testing.T) {
	m, err := topic.CompileMount("{{.Claims.site}}/t-{{ .Claims.tenant }}-x/{{client_id}}/", 64)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ site, tenant, id, want, refused string }{
		{"s", "a", "c", "s/t-a-x/c/", ""},
		{"s", "$a", "$c", "s/t-$a-x/$c/", ""},
		{"", "a", "c", "", "nothing is known for {{.Claims.site}}"},
		{"s", "", "c", "", "nothing is known for {{.Claims.tenant}}"},
		{"s", "a", "", "", "nothing is known for {{client_id}}"},
		{"$s", "a", "c", "", "the value of {{.Claims.site}} cannot stand in a topic"},
		{"s", "a/b", "c", "", "the value of {{.Claims.tenant}} cannot stand in a topic"},
		{"s", "+", "c", "", "the value of {{.Claims.tenant}} cannot"},
		{"s", "#", "c", "", "the value of {{.Claims.tenant}} cannot"},
		{"s", "a\x00", "c", "", "the value of {{.Claims.tenant}} cannot"},
		{"s", "a", "c\xFF", "", "the value of {{client_id}} cannot"},
		{"s", "a", strings.Repeat("c", 64), "", "longer than 64 bytes"},
	} {
		got, err := m.Bind(func(name string) string {
			return map[string]string{".Claims.site": tt.site, ".Claims.tenant": tt.tenant, "client_id": tt.id}[name]
		})
		var refused *topic.MountError
		if got != tt.want || (err == nil) != (tt.refused == "") || err != nil && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("%+v: %q, %v", tt, got, err)
		}
	}
}

// FuzzMount: whatever the claims are, a prefix has the levels of its text and nothing else, and two tenants never share one.
func FuzzMount(f *testing.F) {
	f.Add("acme", "a", "b")
	f.Add("a/b", "+", "$x")
	f.Fuzz(func(t *testing.T, one, two, id string) {
		m, err := topic.CompileMount("t/{{.Claims.tenant}}/{{client_id}}/", 256)
		if err != nil {
			t.Fatal(err)
		}
		bind := func(tenant, id string) string {
			prefix, err := m.Bind(func(name string) string { return map[string]string{".Claims.tenant": tenant, "client_id": id}[name] })
			if err != nil {
				return ""
			}
			return prefix
		}
		prefix := bind(one, id)
		if prefix == "" {
			return
		}
		levels := strings.Split(prefix, "/")
		if len(levels) != 4 || levels[0] != "t" || levels[1] != one || levels[2] != id || levels[3] != "" || strings.ContainsAny(prefix, "+#\x00") || len(prefix) > 256 {
			t.Fatalf("%q", prefix)
		}
		if other := bind(two, id); two != one && other != "" && (strings.HasPrefix(other, prefix) || strings.HasPrefix(prefix, other)) {
			t.Fatalf("%q and %q", prefix, other)
		}
	})
}

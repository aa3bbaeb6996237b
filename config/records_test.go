package config

import (
	"reflect"
	"testing"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"
)

// later is a configuration of the shape that access rules and identity sources will have.
type later struct {
	Rules   []rule            `koanf:"rules" doc:"A list of records."`
	Sources map[string]source `koanf:"sources" doc:"A map of records."`
}

type rule struct {
	Topic string `koanf:"topic" doc:"A text."`
	Limit Size   `koanf:"limit" doc:"A size."`
	Match struct {
		Names []string `koanf:"names" doc:"A list."`
	} `koanf:"match" doc:"A section in a record."`
}

type source struct {
	Token Secret `koanf:"token" doc:"A secret."`
}

// TestRecords: lists and maps of structs are read, and read strictly, without any new code.
func TestRecords(t *testing.T) {
	read := func(text string) (later, Problems, Origins) {
		var doc yaml.Node
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatal(err)
		}
		y := &yamlFile{name: "f", loading: &loading{origins: Origins{}, broken: map[string]bool{}}}
		values := y.section(resolve(&doc), fieldsOf(reflect.TypeFor[later](), ""), "")
		var got later
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{Result: &got, TagName: "koanf", ErrorUnused: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := decoder.Decode(values); err != nil && len(y.problems) == 0 {
			t.Fatal(err)
		}
		return got, y.problems, y.origins
	}

	got, problems, origins := read("rules:\n- topic: a/#\n  limit: 1KiB\n- match: {names: [a, b]}\nsources:\n  jwt: {token: canary}\n")
	var want later
	want.Rules = []rule{{Topic: "a/#", Limit: KiB}, {}}
	want.Rules[1].Match.Names = []string{"a", "b"}
	want.Sources = map[string]source{"jwt": {Token: "canary"}}
	if len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("read %#v, %v", got, problems)
	}
	if line := origins.Of("rules[1].match.names").Line; line != 4 {
		t.Errorf("line %d", line)
	}
	if text := render(reflect.ValueOf(got.Sources)); text != `{jwt: {token: "***"}}` {
		t.Errorf("rendered %s", text)
	}
	if text := render(reflect.ValueOf(got.Rules)); text != `[{topic: "a/#", limit: 1KiB, match: {names: []}}, {topic: "", limit: 0B, match: {names: [a, b]}}]` {
		t.Errorf("rendered %s", text)
	}

	_, problems, _ = read("rules:\n- topc: a\n- b\n- {match: {nam: 1}, limit: canary}\nsources:\n  jwt: {token: [canary], x: 1}\n")
	const all = `f:2: rules[0].topc: no such key; did you mean topic?
f:3: rules[1]: is a single value, not a map; write its keys
f:4: rules[2].match.nam: no such key; did you mean names?
f:4: rules[2].limit: "canary" is not a size; write bytes as 512B, 64KiB, 16MiB or 1GiB
f:6: sources.jwt.token: is a list, not a single value; write one text
f:6: sources.jwt.x: no such key; remove it; mqtt-ws-bridge config --example lists every key`
	if problems.Error() != all {
		t.Errorf("problems:\n%v\nwant:\n%s", problems, all)
	}
}

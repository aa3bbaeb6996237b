package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

//go:generate go test -run ^TestGenerated -update .

const docsFile = "../docs/configuration.md"

// TestGeneratedExample holds the shipped example to the key table.
func TestGeneratedExample(t *testing.T) {
	want := exampleText()
	if *update {
		if err := os.WriteFile("example.yaml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if Example != want {
		t.Errorf("example.yaml differs from the key table; run go generate ./config")
	}
}

// TestGeneratedDocs holds the tables of docs/configuration.md to the key table.
func TestGeneratedDocs(t *testing.T) {
	const begin, end = "<!-- keys: go generate ./config -->\n", "<!-- end of keys -->\n"
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks the marks around its tables", docsFile)
	}
	want := before + begin + docsText() + end + after
	if *update {
		if err := os.WriteFile(docsFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(data) != want {
		t.Errorf("%s differs from the key table; run go generate ./config", docsFile)
	}
}

func exampleText() string {
	var b strings.Builder
	b.WriteString("# Every key of mqtt-ws-bridge with its default. Keep only what you change:\n" +
		"#   mqtt-ws-bridge --config FILE\n" +
		"# Check a file with mqtt-ws-bridge check-config --config FILE.\n")
	defaults := reflect.ValueOf(Default()).Elem()
	var walk func(fields []field, v reflect.Value, indent string)
	walk = func(fields []field, v reflect.Value, indent string) {
		for i := range fields {
			f := &fields[i]
			if indent == "" {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s# %s\n", indent, f.tag.Get("doc"))
			if allowed := f.allowed(); allowed != "" {
				fmt.Fprintf(&b, "%s# Allowed: %s.\n", indent, allowed)
			}
			if f.kind == "" {
				fmt.Fprintf(&b, "%s%s:\n", indent, f.name)
				walk(f.sub, v.Field(f.index), indent+"  ")
				continue
			}
			fmt.Fprintf(&b, "%s%s: %s\n", indent, f.name, render(v.Field(f.index)))
		}
	}
	walk(schema, defaults, "")
	return b.String()
}

func docsText() string {
	var b strings.Builder
	head := "| Key | Type | Default | Meaning |\n|---|---|---|---|\n"
	b.WriteString("\n" + head)
	row := func(f *field) {
		k := Key{}
		for _, k = range Keys() {
			if k.Name == f.path {
				break
			}
		}
		meaning := k.Doc
		if k.Allowed != "" {
			meaning += " Allowed: " + k.Allowed + "."
		}
		if k.Common && k.Flag != k.Name {
			meaning += " Short flag: `--" + k.Flag + "`."
		}
		cells := []string{"`" + k.Name + "`", string(k.Kind), "`" + k.Default + "`", meaning}
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	var walk func(fields []field)
	walk = func(fields []field) {
		for i := range fields {
			if f := &fields[i]; f.kind != "" {
				row(f)
			}
		}
		for i := range fields {
			if f := &fields[i]; f.kind == "" {
				fmt.Fprintf(&b, "\n### %s\n\n%s\n\n%s", f.path, f.tag.Get("doc"), head)
				walk(f.sub)
			}
		}
	}
	walk(schema)
	return b.String() + "\n"
}

package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setting is one key as it came out of loading.
type Setting struct {
	Key    string
	Value  string // as a YAML file says it, secrets masked
	Source Source
}

// Effective returns every key with its value and where that was set, in the order of [Config]. Secrets, userinfo and
// queries of URLs are masked.
func Effective(cfg *Config, origins Origins) []Setting {
	var all []Setting
	leaves(schema, reflect.ValueOf(cfg).Elem(), func(f *field, v reflect.Value) {
		all = append(all, Setting{Key: f.path, Value: render(v), Source: origins.Of(f.path)})
	})
	return all
}

// bare are texts that YAML reads as themselves without quotes.
var bare = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// render writes a value in YAML's flow style, secrets masked.
func render(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case Secret:
		if x == "" {
			return `""` // there is none to mask
		}
		return strconv.Quote(masked)
	case time.Duration:
		return shortDuration(x)
	case Size:
		return x.String()
	case string:
		return renderText(redact(x))
	}
	switch v.Kind() {
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = render(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		items := map[string]string{}
		for _, k := range v.MapKeys() {
			items[k.String()] = renderText(k.String()) + ": " + render(v.MapIndex(k))
		}
		return "{" + strings.Join(inOrder(items), ", ") + "}"
	case reflect.Struct:
		var items []string
		for _, f := range fieldsOf(v.Type(), "") {
			items = append(items, f.name+": "+render(v.Field(f.index)))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

func renderText(text string) string {
	switch strings.ToLower(text) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(text)
	}
	if bare.MatchString(text) {
		return text
	}
	return strconv.Quote(text)
}

// shortDuration drops the zero units that time.Duration prints: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func inOrder(items map[string]string) []string {
	ordered := make([]string, 0, len(items))
	for _, name := range slices.Sorted(maps.Keys(items)) {
		ordered = append(ordered, items[name])
	}
	return ordered
}

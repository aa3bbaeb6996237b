package config

import (
	"reflect"
	"strings"
)

// Changed returns the keys whose values differ, in the order of [Config].
func Changed(a, b *Config) []string {
	values := map[string]any{}
	leaves(schema, reflect.ValueOf(a).Elem(), func(f *field, v reflect.Value) { values[f.path] = v.Interface() })
	var keys []string
	leaves(schema, reflect.ValueOf(b).Elem(), func(f *field, v reflect.Value) {
		if !reflect.DeepEqual(values[f.path], v.Interface()) {
			keys = append(keys, f.path)
		}
	})
	return keys
}

// With returns a copy of base that has these keys from other. Lists and maps are shared with the two, which nobody changes.
func With(base, other *Config, keys []string) *Config {
	result := *base
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	from := map[string]reflect.Value{}
	leaves(schema, reflect.ValueOf(other).Elem(), func(f *field, v reflect.Value) { from[f.path] = v })
	leaves(schema, reflect.ValueOf(&result).Elem(), func(f *field, v reflect.Value) {
		if wanted[f.path] {
			v.Set(from[f.path])
		}
	})
	return &result
}

// Within reports whether a key is one of names, or lies in a section that is.
func Within(key string, names []string) bool {
	for _, name := range names {
		if key == name || strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

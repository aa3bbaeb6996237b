package config

import (
	"reflect"
	"strings"
)

// Section is a group of keys.
type Section struct {
	Name string // as keys begin, without the dot
	Doc  string
}

// Sections returns the sections at the top, in the order of [Config].
func Sections() []Section {
	var all []Section
	for i := range schema {
		if schema[i].kind == "" {
			all = append(all, Section{Name: schema[i].path, Doc: schema[i].tag.Get("doc")})
		}
	}
	return all
}

// Find returns the keys that a person means: one by its name, its variable or its flag, or all of a section. None: there is no such key.
func Find(name string) []Key {
	bare, dashed := strings.CutPrefix(name, "--")
	bare = strings.TrimPrefix(bare, envPrefix)
	f, _ := meant(bare)
	for i := range schema {
		if schema[i].kind == "" && !dashed && schema[i].path == plain(bare) { // rather than a short flag of the same name
			f = &schema[i]
		}
	}
	if f == nil {
		return nil
	}
	var keys []Key
	for _, key := range Keys() {
		if key.Name == f.path || f.kind == "" && strings.HasPrefix(key.Name, f.path+".") {
			keys = append(keys, key)
		}
	}
	return keys
}

// Fields returns what a record of this key can hold, by the name that a file has; nil for other kinds.
func (k Key) Fields() []Key {
	f := find(k.Name)
	if f == nil || f.kind != Records {
		return nil
	}
	var keys []Key
	leaves(f.sub, reflect.Value{}, func(f *field, _ reflect.Value) {
		keys = append(keys, Key{Name: f.path, Kind: f.kind, Doc: f.tag.Get("doc"), Allowed: f.allowed(), Secret: f.secret()})
	})
	return keys
}

// Words are the values that a key can have where those can be listed, nil otherwise.
func (k Key) Words() []string {
	f := find(k.Name)
	switch {
	case f == nil:
		return nil
	case f.kind == Bool:
		return []string{"true", "false"}
	}
	return strings.Fields(f.tag.Get("oneof"))
}

// InFile is how a file sets the key, on one line.
func (k Key) InFile(value string) string {
	parts := strings.Split(k.Name, ".")
	return strings.Join(parts, ": {") + ": " + value + strings.Repeat("}", len(parts)-1)
}

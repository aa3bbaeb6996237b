package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Kind is the type of a key's value, named as an operator would.
type Kind string

// The kinds of values. Records are lists or maps of further keys, and only a file can hold them.
const (
	Text     Kind = "text"
	Bool     Kind = "true|false"
	Number   Kind = "number"
	Duration Kind = "duration"
	Bytes    Kind = "size"
	List     Kind = "list"
	Map      Kind = "name=value"
	Records  Kind = "records"
)

// field is one key or, when it has fields itself, one section.
type field struct {
	path  string // upstream.dial-timeout
	name  string // dial-timeout
	typ   reflect.Type
	index int // in its struct
	tag   reflect.StructTag
	kind  Kind // empty for a section
	sub   []field
}

// schema is the key table of Config.
var schema = fieldsOf(reflect.TypeFor[Config](), "")

// fieldsOf reads the tags of a struct type. It panics over a type it does not know, which the first test finds.
func fieldsOf(t reflect.Type, prefix string) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		name := sf.Tag.Get("koanf")
		f := field{path: prefix + name, name: name, typ: sf.Type, index: i, tag: sf.Tag, kind: kindOf(sf.Type)}
		switch {
		case name == "" || sf.Tag.Get("doc") == "":
			panic(fmt.Sprintf("config: field %s.%s has no koanf or doc tag", t, sf.Name))
		case f.kind == Records:
			f.sub = fieldsOf(sf.Type.Elem(), "")
		case f.kind == "":
			f.sub = fieldsOf(sf.Type, f.path+".")
		}
		fields = append(fields, f)
	}
	return fields
}

// kindOf returns the kind of a field's type, "" for a section.
func kindOf(t reflect.Type) Kind {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return Duration
	case t == reflect.TypeFor[Size]():
		return Bytes
	case t.Kind() == reflect.String:
		return Text
	case t.Kind() == reflect.Bool:
		return Bool
	case t.Kind() == reflect.Int:
		return Number
	case t == reflect.TypeFor[[]string]():
		return List
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.String:
		return Map
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && t.Elem().Kind() == reflect.Struct:
		return Records
	case t.Kind() == reflect.Struct:
		return ""
	}
	panic("config: no kind for type " + t.String())
}

// secret reports whether values of the field must never be printed.
func (f *field) secret() bool {
	t := f.typ
	if f.kind == Map || f.kind == List {
		t = t.Elem()
	}
	return t == reflect.TypeFor[Secret]()
}

// allowed says in words which values the tags permit, or "".
func (f *field) allowed() string {
	if words := f.tag.Get("oneof"); words != "" {
		all := strings.Fields(words)
		return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	}
	bounds := strings.Fields(f.tag.Get("range"))
	if len(bounds) == 0 {
		return ""
	}
	text := bounds[0] + " to " + bounds[1]
	if f.tag.Get("zero") == "ok" {
		text = "0 or " + text
	}
	return text
}

// leaves calls each for every key below fields, in order, with its value in v. An invalid v is passed on as it is.
func leaves(fields []field, v reflect.Value, each func(f *field, v reflect.Value)) {
	for i := range fields {
		f, fv := &fields[i], reflect.Value{}
		if v.IsValid() {
			fv = v.Field(f.index)
		}
		if f.kind == "" {
			leaves(f.sub, fv, each)
			continue
		}
		each(f, fv)
	}
}

// find returns the key of that path, or nil.
func find(path string) *field {
	var found *field
	leaves(schema, reflect.Value{}, func(f *field, _ reflect.Value) {
		if f.path == path {
			found = f
		}
	})
	return found
}

// Key describes one key for people: help, documentation, the example file.
type Key struct {
	Name    string
	Kind    Kind
	Doc     string
	Allowed string // the permitted values in words, or ""
	Default string // as a YAML file says it
	Flag    string // without dashes; the short name of a common key, otherwise the key itself; "" when only a file can set it
	Env     string // "" when only a file can set it
	Common  bool
	Secret  bool
}

// Keys returns every key in the order of [Config].
func Keys() []Key {
	var keys []Key
	leaves(schema, reflect.ValueOf(Default()).Elem(), func(f *field, v reflect.Value) {
		k := Key{
			Name: f.path, Kind: f.kind, Doc: f.tag.Get("doc"), Allowed: f.allowed(), Default: render(v),
			Flag: f.path, Env: EnvName(f.path), Secret: f.secret(),
		}
		if short := f.tag.Get("flag"); short != "" {
			k.Flag, k.Common = short, true
		}
		if f.kind == Records {
			k.Flag, k.Env = "", ""
		}
		keys = append(keys, k)
	})
	return keys
}

// keyNames returns the paths of all keys, and of all sections if asked.
func keyNames(sections bool) []string {
	var names []string
	var walk func([]field)
	walk = func(fields []field) {
		for i := range fields {
			if fields[i].kind != "" || sections {
				names = append(names, fields[i].path)
			}
			if fields[i].kind == "" {
				walk(fields[i].sub)
			}
		}
	}
	walk(schema)
	return names
}

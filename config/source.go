package config

import (
	"fmt"
	"strings"
)

// Layer is one of the places values come from, weakest first.
type Layer int

// The layers; a later one wins.
const (
	Defaults Layer = iota
	File
	Environment
	Flags
)

// Source is where one value was set. The zero Source is the default.
type Source struct {
	Layer Layer
	Name  string // file name, variable name, or flag name without dashes
	Line  int    // in a file, from 1; 0 when there is no line
}

// String is default, FILE:LINE, VARIABLE or --flag.
func (s Source) String() string {
	switch s.Layer {
	case File:
		if s.Line > 0 {
			return fmt.Sprintf("%s:%d", s.Name, s.Line)
		}
		return s.Name
	case Environment:
		return s.Name
	case Flags:
		return "--" + s.Name
	default:
		return "default"
	}
}

// Origins says for each key, and for each item of a list in a file, where it was set. Keys left at their default are absent.
type Origins map[string]Source

// Of returns the source of a path: a key, an item such as listen[1], or a field below it. What has no source of its own
// has that of the value it is part of.
func (o Origins) Of(path string) Source {
	for path != "" {
		if s, ok := o[path]; ok {
			return s
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return Source{}
}

// set notes the source of a key and forgets what an earlier layer said about its items.
func (o Origins) set(key string, s Source) {
	for path := range o {
		if strings.HasPrefix(path, key+"[") || strings.HasPrefix(path, key+".") {
			delete(o, path)
		}
	}
	o[key] = s
}

package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validate reports everything wrong with a configuration that was not made by [Load], which does the same itself. It
// opens the files that cfg names. The error is [Problems].
func Validate(cfg *Config) error {
	if problems := check(cfg, Origins{}, map[string]bool{}); len(problems) > 0 {
		return problems
	}
	return nil
}

// checker collects what is wrong. A key that already has a problem is not judged further, nor is what depends on it.
type checker struct {
	cfg      *Config
	origins  Origins
	broken   map[string]bool
	problems Problems
}

func check(cfg *Config, origins Origins, broken map[string]bool) Problems {
	c := &checker{cfg: cfg, origins: origins, broken: broken}
	leaves(schema, reflect.ValueOf(cfg).Elem(), c.tags)
	c.listeners()
	c.adminHosts()
	c.handshake()
	c.addresses()
	c.brokers()
	c.headers()
	c.brokerTLS()
	c.cipherNames()
	c.proxy()
	c.certificates()
	c.access()
	return c.problems
}

// refuse notes a problem with a key, or with an item of it such as listen[1].
func (c *checker) refuse(path string, err error) {
	text, fix := words(err)
	key, _, _ := strings.Cut(path, "[")
	c.broken[key], c.broken[item(path)] = true, true
	c.problems = append(c.problems, Problem{Key: key, Source: c.origins.Of(path), Text: text, Fix: fix})
}

// sound reports whether none of the keys has had a problem yet.
func (c *checker) sound(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return c.broken[key] })
}

// tags holds a value against the range and oneof tags of its key.
func (c *checker) tags(f *field, v reflect.Value) {
	if !c.sound(f.path) {
		return
	}
	if words := f.tag.Get("oneof"); words != "" && !slices.Contains(strings.Fields(words), v.String()) {
		c.refuse(f.path, flawf("write "+f.allowed(), "%s is not possible", show(v.String())))
	}
	bounds := strings.Fields(f.tag.Get("range"))
	if len(bounds) == 0 || f.tag.Get("zero") == "ok" && v.IsZero() {
		return
	}
	if n := v.Int(); n < bound(f.kind, bounds[0]) || n > bound(f.kind, bounds[1]) {
		c.refuse(f.path, flawf("write "+f.allowed(), "%s is out of range", render(v)))
	}
}

// bound reads one end of a range tag; a test holds that all of them can be read.
func bound(kind Kind, text string) int64 {
	switch kind {
	case Duration:
		d, _ := time.ParseDuration(text)
		return int64(d)
	case Bytes:
		s, _ := ParseSize(text)
		return int64(s)
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

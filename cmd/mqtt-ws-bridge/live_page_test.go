package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
)

// pageOfReloads reads the table of docs/operations.md: the keys and sections that take effect, and those that wait for a restart.
func pageOfReloads(t *testing.T) (live, later []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| takes effect | keys |\n")
	table, _, ok := strings.Cut(table, "\n\n")
	if !ok {
		t.Fatal("the page has no table of reloads")
	}
	for row := range strings.Lines(table) {
		for _, name := range regexp.MustCompile("`([a-z.-]+)`").FindAllStringSubmatch(row, -1) {
			if strings.HasPrefix(row, "| after a restart") {
				later = append(later, name[1])
			} else if strings.HasPrefix(row, "| at once") || strings.HasPrefix(row, "| at the next connection") {
				live = append(live, name[1])
			}
		}
	}
	return live, later
}

// longest is the length of the longest of names that a key is or lies in, 0 if there is none.
func longest(key string, names []string) (n int) {
	for _, name := range names {
		if config.Within(key, []string{name}) {
			n = max(n, len(name))
		}
	}
	return n
}

// TestReloadTable: what the page says of each key of the configuration is what a reload does with it.
func TestReloadTable(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) {
		cfg.Access.Rules = []config.AccessRule{{Allow: "all", Topics: []string{"#"}}}
	})
	live, later := pageOfReloads(t)
	base := *p.running.Load()
	tried := 0
	for _, key := range config.Keys() {
		now, restart := longest(key.Name, live), longest(key.Name, later)
		if now == restart {
			t.Errorf("the page does not say of %s what a reload does", key.Name)
			continue
		}
		if partOf(p.liveParts(), key.Name) != (now > restart) {
			t.Errorf("the page says of %s that it takes effect: %v", key.Name, now > restart)
			continue
		}
		next := base
		if !another(&next, key) || config.Validate(&next) != nil {
			continue // the other tests change it
		}
		tried++
		for _, cfg := range []*config.Config{&next, &base} {
			p.load = func() (*config.Config, error) { return cfg, nil }
			log.reset()
			p.reloadConfig()
			if restart > now && cfg == &base {
				continue // nothing has changed
			}
			line := log.await(t, "configuration loaded", "")
			list := "in_effect"
			if restart > now {
				list = "after_restart"
			}
			if fmt.Sprint(line[list]) != "["+key.Name+"]" {
				t.Errorf("%s: logged as %v", key.Name, line)
			}
		}
	}
	if tried < 30 {
		t.Errorf("only %d keys were changed", tried)
	}
}

// another gives a key another value, if there is one that suits its kind.
func another(cfg *config.Config, key config.Key) bool {
	v := reflect.ValueOf(cfg).Elem()
	for name := range strings.SplitSeq(key.Name, ".") {
		i := slices.IndexFunc(reflect.VisibleFields(v.Type()), func(f reflect.StructField) bool { return f.Tag.Get("koanf") == name })
		v = v.Field(i)
	}
	words := key.Words()
	switch {
	case key.Name == "limits.sessions":
		v.SetInt(v.Int() - 1)
	case key.Kind == config.Bool:
		v.SetBool(!v.Bool())
	case len(words) > 0:
		v.SetString(words[(slices.Index(words, v.String())+1)%len(words)])
	case key.Kind == config.Number:
		v.SetInt(v.Int() + 1)
	case key.Kind == config.Duration:
		v.SetInt(v.Int() + int64(time.Second))
	case key.Kind == config.Bytes && v.Int() > 0:
		v.SetInt(v.Int() / 2)
	default:
		return false
	}
	return true
}

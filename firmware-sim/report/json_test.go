package report_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/check"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/load"
	"mqtt-ws-bridge/firmware-sim/ota"
	"mqtt-ws-bridge/firmware-sim/profile"
)

var snake = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

// TestJSONNames: every key that --json prints is in snake case and ends in its unit: _ns for durations, _bytes for sizes.
func TestJSONNames(t *testing.T) {
	for _, v := range []any{fleet.Result{}, load.Result{}, check.Outcome{}, ota.Outcome{}, profile.Profile{}} {
		checkNames(t, reflect.TypeOf(v), make(map[reflect.Type]bool))
	}
}

func checkNames(t *testing.T, typ reflect.Type, done map[reflect.Type]bool) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array || typ.Kind() == reflect.Map {
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || done[typ] {
		return
	}
	done[typ] = true
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		duration := f.Type == reflect.TypeFor[time.Duration]()
		switch {
		case !snake.MatchString(name):
			t.Errorf("%s.%s: %q is not in snake case", typ, f.Name, name)
		case duration != strings.HasSuffix(name, "_ns"):
			t.Errorf("%s.%s: %q: _ns is for durations, and durations for _ns", typ, f.Name, name)
		case strings.HasSuffix(name, "seconds") && f.Type.Kind() == reflect.Float64, strings.HasPrefix(name, "bytes"):
			t.Errorf("%s.%s: %q: times are in _ns, sizes in _bytes", typ, f.Name, name)
		}
		checkNames(t, f.Type, done)
	}
}

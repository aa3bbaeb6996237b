package topic_test

import (
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access/topic"
)

func TestFirstMatchWins(t *testing.T) {
	s := bind(t, nil,
		allow("public/+/open"),
		deny("public/secret/#"),
		topic.Rule{Publish: true, Filters: []string{"public/#"}},
		topic.Rule{Subscribe: true, Filters: []string{"news/#"}})
	for name, want := range map[string]bool{
		"public/secret/open": true, "public/secret/x": false, "public/secret": false, "public/x": true, "public": true,
		"news/x": false, "other": false, "": false, "public/+": false, "public/#": false, "Public/x": false,
	} {
		if got := s.MayPublish([]byte(name)); got != want {
			t.Errorf("publish to %q: %v", name, got)
		}
	}
	for filter, want := range map[string]bool{
		"public/+/open": true, "public/secret/open": true, "public/x": false, "public/#": false,
		"news/#": true, "news": true, "news/+/a": true, "#": false, "+/#": false, "": false,
		"$share/g/news/#": true, "$share/g/public/secret/x": false, "$share/g/#": false,
		"$share/g/": false, "$share/g": false, "$share//news/a": false, "$share/+/news/a": false, "$share/#": false,
		"$share/g/$share/g/news/a": false, "$queue/news/a": false, "$share/": false,
		"news/#/a": false, "news/a#": false, "news/+a": false, "news/a+": false, "news/##": false,
	} {
		if got := s.MaySubscribe([]byte(filter)); got != want {
			t.Errorf("subscribe to %q: %v", filter, got)
		}
	}
}

func TestNoRulesAllowNothing(t *testing.T) {
	s := bind(t, nil)
	if s.MayPublish([]byte("a")) || s.MaySubscribe([]byte("a")) {
		t.Error("an empty list allows something")
	}
}

// A wildcard at the beginning does not reach what brokers keep below $.
func TestDollarNeedsARuleThatNamesIt(t *testing.T) {
	s := bind(t, nil, allow("#"))
	for _, name := range []string{"$SYS/broker/uptime", "$delayed/5/a", "$share/g/a", "$queue/a"} {
		if s.MayPublish([]byte(name)) {
			t.Errorf("# allows a publish to %s", name)
		}
	}
	for _, filter := range []string{"$SYS/#", "$SYS/+", "$queue/a", "$share/g/$SYS/#", "$exclusive/a"} {
		if s.MaySubscribe([]byte(filter)) {
			t.Errorf("# allows a subscription to %s", filter)
		}
	}
	if s := bind(t, nil, deny("$SYS/#"), allow("#")); !s.MaySubscribe([]byte("#")) || !s.MaySubscribe([]byte("+/a")) {
		t.Error("# has nothing to do with $SYS")
	}
}

func TestPlaceholders(t *testing.T) {
	rules := []topic.Rule{
		deny("dev/{{ client_id }}/private"),
		allow("dev/{{client_id}}/#", "user-{{username}}x/+", "t/{{.Claims.tenant-1}}", "s/{{.Subject}}", "c/{{.Claims.absent}}/#"),
	}
	s := bind(t, map[string]string{
		"client_id": "d1", "username": "u", ".Claims.tenant-1": "acme", "subject": "sub",
	}, rules...)
	for name, want := range map[string]bool{
		"dev/d1/up": true, "dev/d1": true, "dev/d1/private": false, "dev/d2/up": false, "dev//up": false, "dev/{{client_id}}/up": false,
		"user-ux/a": true, "user-x/a": false, "user-uux/a": false, "user-u/a": false, "t/acme": true, "t/": false, "s/sub": true,
		"c//x": false, "c/x": false,
	} {
		if got := s.MayPublish([]byte(name)); got != want {
			t.Errorf("publish to %q: %v", name, got)
		}
	}
	for filter, want := range map[string]bool{
		"dev/d1/+": false, "dev/d1/a/#": true, "dev/+/up": false, "dev/d1/up": true, "user-ux/+": true, "c/#": false, "c/+/#": false,
	} {
		if got := s.MaySubscribe([]byte(filter)); got != want {
			t.Errorf("subscribe to %q: %v", filter, got)
		}
	}
}

// TestUnknownValueMatchesNothing: a filter whose value is not known allows nothing, whatever it meets.
func TestUnknownValueMatchesNothing(t *testing.T) {
	s := bind(t, nil, allow("{{username}}", "a/{{username}}/#", "{{username}}/#"))
	for _, filter := range []string{"#", "+", "a/#", "a/+/+", "a//b", "a//#"} {
		if s.MaySubscribe([]byte(filter)) {
			t.Errorf("%q is granted", filter)
		}
	}
	if s.MayPublish([]byte("a//b")) || s.MayPublish([]byte("/a")) {
		t.Error("an empty value stands for an empty level")
	}
}

// TestUnknownValueInADenial refuses the device: the rule would deny nothing, and a later one may allow it.
func TestUnknownValueInADenial(t *testing.T) {
	for _, rule := range []topic.Rule{deny("a/{{username}}/secret"), {Deny: true, Publish: true, Filters: []string{"x", "+/{{username}}"}}} {
		r, err := topic.Compile([]topic.Rule{allow("b/{{client_id}}"), rule, allow("#")})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Bind(func(name string) string { return map[string]string{"client_id": "d"}[name] })
		var e *topic.ValueError
		if !errors.As(err, &e) || !e.Unknown || e.Placeholder != "username" {
			t.Errorf("%v: %v", rule, err)
		}
		if _, err := r.Bind(func(string) string { return "known" }); err != nil {
			t.Error(err)
		}
	}
}

// TestValuesDoNotInject is attack 31: a client identifier that would be more than a piece of one level.
func TestValuesDoNotInject(t *testing.T) {
	inner, err := topic.Compile([]topic.Rule{allow("dev/{{client_id}}/#")})
	if err != nil {
		t.Fatal(err)
	}
	leading, err := topic.Compile([]topic.Rule{allow("x/{{client_id}}"), allow("{{client_id}}/#")})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"+", "#", "a/b", "/", "a+", "#a", "a\x00", "a\n", "a\x7F", "a\u0085", "\xFF", strings.Repeat("x", 257)} {
		_, err := inner.Bind(func(string) string { return id })
		var value *topic.ValueError
		if !errors.As(err, &value) || value.Placeholder != topic.ClientID {
			t.Errorf("%q: %v", id, err)
		} else if strings.Contains(err.Error(), id) && len(id) > 1 {
			t.Errorf("%q stands in the error: %v", id, err)
		}
	}
	for _, id := range []string{"$SYS", "$share", "$"} {
		if _, err := leading.Bind(func(string) string { return id }); err == nil {
			t.Errorf("%q may begin a topic", id)
		}
		if _, err := inner.Bind(func(string) string { return id }); err != nil {
			t.Errorf("%q is harmless within: %v", id, err)
		}
	}
	if _, err := inner.Bind(func(string) string { return strings.Repeat("é", 128) }); err != nil {
		t.Error(err)
	}
}

func TestCompileRefuses(t *testing.T) {
	many := make([]string, 4097)
	for i := range many {
		many[i] = "a"
	}
	for _, tt := range []struct {
		rule topic.Rule
		want string
	}{
		{topic.Rule{Filters: []string{"a"}}, "rule 0: speaks neither of publish nor of subscribe"},
		{topic.Rule{Publish: true}, "rule 0: has no filter"},
		{allow("a", ""), `rule 0: filter "": is empty`},
		{allow("a/#/b"), "# may only"},
		{allow("a#"), "# may only"},
		{allow("##"), "# may only"},
		{allow("a+/b"), "+ may only"},
		{allow("{{client_id}}+"), "+ may only"},
		{allow("$share/g/a"), "leave out $share"},
		{allow("$share"), "leave out $share"},
		{allow("a\x00"), "UTF-8"},
		{allow("\xFF"), "UTF-8"},
		{allow("{{clientid}}"), "placeholders are"},
		{allow("{{client_id}"), "placeholders are"},
		{allow("{{.Claims.a.b}}"), "placeholders are"},
		{allow("{{.Claims.}}"), "placeholders are"},
		{allow("{{client_id}}{{username}}"), "placeholders are"},
		{allow("{{/}}"), "placeholders are"},
		{allow(strings.Repeat("a", 1025)), "longer than"},
		{allow(strings.Repeat("/", 128)), "longer than"},
		{allow(many...), "more than 4096 filters"},
	} {
		if _, err := topic.Compile([]topic.Rule{tt.rule}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.80q: %v, want %q", tt.rule.Filters, err, tt.want)
		}
	}
	if _, err := topic.Compile(make([]topic.Rule, 1025)); err == nil {
		t.Error("1025 rules")
	}
}

func TestDecisionsAllocateNothing(t *testing.T) {
	s, name, filter := site(t), []byte("site/plant-7/line/3/dev/d-100/up/temp"), []byte("site/plant-7/line/3/dev/d-100/down/#")
	if !s.MayPublish(name) || !s.MaySubscribe(filter) {
		t.Fatal("denied")
	}
	if n := testing.AllocsPerRun(100, func() { s.MayPublish(name); s.MaySubscribe(filter) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// site is a list of the size that a real installation has.
func site(t testing.TB) *topic.Set {
	return bind(t, map[string]string{"client_id": "d-100", ".Claims.plant": "plant-7"},
		deny("site/+/admin/#", "site/+/line/+/dev/+/secret"),
		topic.Rule{Publish: true, Filters: []string{"presence/{{client_id}}", "log/{{client_id}}/+"}},
		topic.Rule{Subscribe: true, Filters: []string{"broadcast/#", "time"}},
		topic.Rule{Publish: true, Filters: []string{"site/{{.Claims.plant}}/line/+/dev/{{client_id}}/up/#"}},
		topic.Rule{Subscribe: true, Filters: []string{"site/{{.Claims.plant}}/line/+/dev/{{client_id}}/down/#"}})
}

func BenchmarkMayPublish(b *testing.B) {
	s := site(b)
	for name, topic := range map[string][]byte{
		"allowed": []byte("site/plant-7/line/3/dev/d-100/up/temp"),
		"denied":  []byte("site/plant-8/line/3/dev/d-100/up/temp"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.MayPublish(topic)
			}
		})
	}
}

func BenchmarkMaySubscribe(b *testing.B) {
	s, filter := site(b), []byte("site/plant-7/line/3/dev/d-100/down/#")
	b.ReportAllocs()
	for b.Loop() {
		s.MaySubscribe(filter)
	}
}

// BenchmarkBind is what a session costs before its first packet.
func BenchmarkBind(b *testing.B) {
	r, err := topic.Compile([]topic.Rule{allow("a/{{client_id}}/#", "b/{{username}}/#")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Bind(func(string) string { return "device-1" }); err != nil {
			b.Fatal(err)
		}
	}
}

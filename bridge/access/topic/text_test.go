package topic_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access/topic"
)

func TestParseRules(t *testing.T) {
	got, err := topic.ParseRules("allow publish a/b/#\n\n  deny  all  +/x \nallow subscribe with space/#\r\n")
	want := []topic.Rule{
		{Publish: true, Filters: []string{"a/b/#"}}, {Deny: true, Publish: true, Subscribe: true, Filters: []string{"+/x"}},
		{Subscribe: true, Filters: []string{"with space/#"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{
		"allow", "allow publish", "publish a", "allow a", "Allow publish a", "allow write a", "allow publish,subscribe a", "allow\tpublish\ta", "x",
		strings.Repeat("allow publish a\n", 257),
	} {
		if rules, err := topic.ParseRules(bad); err == nil || strings.Contains(err.Error(), "Allow") {
			t.Errorf("%.40q: %+v, %v", bad, rules, err)
		}
	}
}

// TestThen: rules behind others decide as if they stood in one list.
func TestThen(t *testing.T) {
	topics, filters := allTopics(), allFilters()
	random := rand.New(rand.NewPCG(7, 11))
	some := func() (rules []topic.Rule) {
		for range random.IntN(4) {
			rule := allow(filters[random.IntN(len(filters))])
			rule.Deny, rule.Publish, rule.Subscribe = random.IntN(3) == 0, random.IntN(4) > 0, random.IntN(4) > 0
			if rule.Publish || rule.Subscribe {
				rules = append(rules, rule)
			}
		}
		return rules
	}
	for range 4000 {
		a, b, c := some(), some(), some()
		all := append(append(append([]topic.Rule(nil), a...), b...), c...)
		one, then := bind(t, nil, all...), bind(t, nil, a...).Then(bind(t, nil, b...)).Then(bind(t, nil, c...))
		for range 10 {
			name, filter := []byte(topics[random.IntN(len(topics))]), []byte(filters[random.IntN(len(filters))])
			if one.MayPublish(name) != then.MayPublish(name) || one.MayReceive(name) != then.MayReceive(name) || one.MaySubscribe(filter) != then.MaySubscribe(filter) {
				t.Fatalf("%+v, %+v, %+v: %q, %q", a, b, c, name, filter)
			}
			// What a device may have one by one it may subscribe to by its name, and the other way round.
			if len(name) > 0 && name[0] != '$' && one.MayReceive(name) != one.MaySubscribe(name) {
				t.Fatalf("%+v: %q", all, name)
			}
		}
	}
}

// FuzzParseRules: what is read of a text is what makes the same text again, and rules that compile.
func FuzzParseRules(f *testing.F) {
	f.Add("allow publish a/b/#\ndeny all +/x")
	f.Add(" allow  subscribe a b \n\n")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := topic.ParseRules(text)
		if err != nil {
			return
		}
		var lines []string
		for _, r := range rules {
			if len(r.Filters) != 1 || !r.Publish && !r.Subscribe {
				t.Fatalf("%q: %+v", text, r)
			}
			verdict, what := "allow", "all"
			if r.Deny {
				verdict = "deny"
			}
			switch {
			case !r.Publish:
				what = "subscribe"
			case !r.Subscribe:
				what = "publish"
			}
			lines = append(lines, verdict+" "+what+" "+r.Filters[0])
		}
		again, err := topic.ParseRules(strings.Join(lines, "\n"))
		if err != nil || !reflect.DeepEqual(again, rules) {
			t.Fatalf("%q: %+v became %+v, %v", text, rules, again, err)
		}
		_, _ = topic.Compile(rules) // must not panic
	})
}

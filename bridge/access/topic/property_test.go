package topic_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access/topic"
)

func allow(filters ...string) topic.Rule {
	return topic.Rule{Publish: true, Subscribe: true, Filters: filters}
}

func deny(filters ...string) topic.Rule {
	return topic.Rule{Deny: true, Publish: true, Subscribe: true, Filters: filters}
}

func bind(t testing.TB, values map[string]string, rules ...topic.Rule) *topic.Set {
	t.Helper()
	r, err := topic.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Bind(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func setsOfAll(filters, topics []string) map[string]bitset {
	sets := make(map[string]bitset, len(filters))
	for _, f := range filters {
		sets[f] = topicsOf(f, topics)
	}
	return sets
}

// TestEveryPairOfFilters compares every small filter, as a rule, with every other, as a subscription, and with every topic.
func TestEveryPairOfFilters(t *testing.T) {
	topics, filters := allTopics(), allFilters()
	sets := setsOfAll(filters, topics)
	for _, rule := range filters {
		allowed, denied := bind(t, nil, allow(rule)), bind(t, nil, deny(rule), allow("#", "$s/#"))
		for _, name := range topics {
			if got, want := allowed.MayPublish([]byte(name)), name != "" && refMatch(rule, name); got != want {
				t.Fatalf("allow %q: publish to %q is %v", rule, name, got)
			}
		}
		for _, asked := range filters {
			if got, want := allowed.MaySubscribe([]byte(asked)), sets[asked].within(sets[rule]); got != want {
				t.Fatalf("allow %q: subscribe to %q is %v", rule, asked, got)
			}
			// # or $s/# covers every filter of the alphabet: what is refused was refused for the overlap.
			if got, want := denied.MaySubscribe([]byte(asked)), !sets[asked].meets(sets[rule]); got != want {
				t.Fatalf("deny %q: subscribe to %q is %v", rule, asked, got)
			}
		}
	}
}

// TestOverlapsDoNotSlipThrough holds lists of rules to two references: the rule as documented, with sets, and what it is
// for, that a subscription which is granted brings no topic that the rules deny.
func TestOverlapsDoNotSlipThrough(t *testing.T) {
	topics, filters := allTopics(), allFilters()
	sets := setsOfAll(filters, topics)
	random := rand.New(rand.NewPCG(5, 28))
	granted := 0
	for range 4000 {
		var rules []topic.Rule
		for range 1 + random.IntN(5) {
			rule := allow(filters[random.IntN(len(filters))])
			if random.IntN(3) == 0 {
				rule.Filters = append(rule.Filters, filters[random.IntN(len(filters))])
			}
			rule.Deny = random.IntN(3) == 0
			rules = append(rules, rule)
		}
		s := bind(t, nil, rules...)
		for range 20 {
			name := topics[random.IntN(len(topics))]
			if got, want := s.MayPublish([]byte(name)), refPublish(rules, name); got != want {
				t.Fatalf("%+v: publish to %q is %v", rules, name, got)
			}
			asked := filters[random.IntN(len(filters))]
			got := s.MaySubscribe([]byte(asked))
			if want := refSubscribe(rules, sets, asked); got != want {
				t.Fatalf("%+v: subscribe to %q is %v", rules, asked, got)
			}
			if got {
				granted++
				sets[asked].each(func(i int) {
					if topics[i] != "" && !refPublish(rules, topics[i]) {
						t.Fatalf("%+v: %q is granted and brings %q", rules, asked, topics[i])
					}
				})
			}
		}
	}
	if granted < 1000 {
		t.Errorf("only %d subscriptions were granted: the test shows little", granted)
	}
}

// FuzzRules takes lines as rules: a filter allows, one after ! denies. The last line is asked for. What is granted is tried
// with topics that its wildcards match.
func FuzzRules(f *testing.F) {
	f.Add("a/#\nb/+\na/b/#", "x/y", "v")
	f.Add("!a/+/c\n#\na/#", "b", "")
	f.Add("dev/{{client_id}}/#\n$share/g/dev/v/+", "up", "v")
	f.Add("dev/{{client_id}}/#\n#", "$SYS/a", "+")
	f.Fuzz(func(t *testing.T, text, fill, id string) {
		lines := strings.Split(text, "\n")
		var rules []topic.Rule
		for _, line := range lines[:len(lines)-1] {
			filter, isDeny := strings.CutPrefix(line, "!")
			rules = append(rules, topic.Rule{Deny: isDeny, Publish: true, Subscribe: true, Filters: []string{filter}})
		}
		compiled, err := topic.Compile(rules)
		if err != nil {
			return
		}
		s, err := compiled.Bind(func(string) string { return id })
		if err != nil {
			return
		}
		asked := lines[len(lines)-1]
		if !s.MaySubscribe([]byte(asked)) {
			return
		}
		if strings.HasPrefix(asked, "$share/") {
			asked = strings.SplitN(asked, "/", 3)[2]
		}
		if fill = strings.NewReplacer("+", "", "#", "").Replace(fill); strings.HasPrefix(fill, "$") {
			return
		}
		level, _, _ := strings.Cut(fill, "/")
		name := strings.ReplaceAll(asked, "+", level)
		if cut, ok := strings.CutSuffix(name, "#"); ok {
			name = cut + fill
		}
		if name != "" && !s.MayPublish([]byte(name)) {
			t.Fatalf("%q: %q is granted and brings %q", lines, asked, name)
		}
	})
}

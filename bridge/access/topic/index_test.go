package topic_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access/topic"
)

// TestIndexAgainstSets holds an index of every small list to the sets of topics that the linear search is held to.
func TestIndexAgainstSets(t *testing.T) {
	topics, filters := allTopics(), allFilters()
	sets := setsOfAll(filters, topics)
	random := rand.New(rand.NewPCG(28, 5))
	for range 1500 {
		var rules []topic.Rule
		for range 1 + random.IntN(6) {
			rule := allow(filters[random.IntN(len(filters))])
			rule.Deny = random.IntN(3) == 0
			rules = append(rules, rule)
		}
		s := bound(t, topic.Indexed(compiled(t, rules)), nil)
		for range 20 {
			name, asked := topics[random.IntN(len(topics))], filters[random.IntN(len(filters))]
			if got, want := s.MayPublish([]byte(name)), refPublish(rules, name); got != want {
				t.Fatalf("%+v: publish to %q is %v", rules, name, got)
			}
			if got, want := s.MaySubscribe([]byte(asked)), refSubscribe(rules, sets, asked); got != want {
				t.Fatalf("%+v: subscribe to %q is %v", rules, asked, got)
			}
		}
	}
}

func compiled(t testing.TB, rules []topic.Rule) *topic.Rules {
	t.Helper()
	r, err := topic.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func bound(t testing.TB, r *topic.Rules, values map[string]string) *topic.Set {
	t.Helper()
	s, err := r.Bind(func(name string) string { return values[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// levelsOfRules are what levels of rules are made of: texts, wildcards, values alone and within texts, such as are prefixes of each
// other, and values that are not known or are the same.
var levelsOfRules = []string{
	"a", "b", "ab", "aab", "", "$s", "a$", "+", "{{client_id}}", "a{{client_id}}", "{{client_id}}b", "a{{client_id}}b", "aa{{client_id}}",
	"{{username}}", "{{username}}b", "{{.Claims.x}}", "b{{.Claims.x}}a",
}

var levelsAsked = []string{"a", "b", "ab", "aab", "", "$s", "a$", "+", "aa", "aaa", "aaaa", "aaab", "abb", "z", "ba", "+a"}

// path makes levels out of the bytes of choices.
func path(levels []string, choices []byte) string {
	var out []string
	for _, c := range choices {
		out = append(out, levels[int(c)%len(levels)])
	}
	return strings.Join(out, "/")
}

// compareIndex asks an index and the linear search for the same.
func compareIndex(t *testing.T, rules []topic.Rule, values map[string]string, asked []string) (granted int) {
	t.Helper()
	r, err := topic.Compile(rules)
	if err != nil {
		return 0
	}
	slow, err := topic.Linear(r).Bind(func(name string) string { return values[name] })
	if err != nil {
		return 0
	}
	fast := bound(t, topic.Indexed(r), values)
	for _, name := range asked {
		b := []byte(name)
		want := slow.MaySubscribe(b)
		if got := fast.MaySubscribe(b); got != want {
			t.Fatalf("%d rules %q, values %q: subscribe to %q is %v, one by one %v", len(rules), show(rules), values, name, got, want)
		}
		if want {
			granted++
		}
		if got, want := fast.MayPublish(b), slow.MayPublish(b); got != want {
			t.Fatalf("%d rules %q, values %q: publish to %q is %v, one by one %v", len(rules), show(rules), values, name, got, want)
		}
		if got, want := fast.MayReceive(b), slow.MayReceive(b); got != want {
			t.Fatalf("%d rules %q, values %q: receive %q is %v, one by one %v", len(rules), show(rules), values, name, got, want)
		}
	}
	return granted
}

func show(rules []topic.Rule) (out []string) {
	for _, r := range rules {
		mark := ""
		if r.Deny {
			mark = "!"
		}
		out = append(out, mark+strings.Join(r.Filters, ","))
	}
	return out
}

// TestIndexAgainstLinearSearch has lists of all lengths up to the most that there may be.
func TestIndexAgainstLinearSearch(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 7))
	pick := func(levels []string, deepest int) string {
		choices := make([]byte, 1+random.IntN(deepest))
		for i := range choices {
			choices[i] = byte(random.IntN(256))
		}
		p := path(levels, choices)
		if random.IntN(5) == 0 {
			p += "/#"
		}
		return p
	}
	granted := 0
	for _, n := range []int{1, 13, 63, 64, 65, 500, 4096} {
		for range 1 + 2000/n {
			rules := make([]topic.Rule, min(n, 1024))
			for i := range n {
				r := &rules[i%len(rules)]
				filter := pick(levelsOfRules, 4)
				for strings.HasPrefix(filter, "$share") || filter == "" {
					filter = pick(levelsOfRules, 4)
				}
				r.Filters = append(r.Filters, filter)
			}
			for i := range rules {
				r := &rules[i]
				r.Deny = random.IntN(8) == 0
				r.Publish = random.IntN(3) > 0
				r.Subscribe = !r.Publish || random.IntN(2) > 0
			}
			values := map[string]string{"client_id": "a", "username": []string{"a", "ab", "aa", ""}[random.IntN(4)], ".Claims.x": "aa"}
			asked := []string{"#", "+/#", "/#", "$s/#", "+", "+/+/+/+", "$share/g/a/#"}
			for range 200 {
				asked = append(asked, pick(levelsAsked, 5))
			}
			granted += compareIndex(t, rules, values, asked)
		}
	}
	if granted < 1000 {
		t.Errorf("only %d subscriptions were granted: the test shows little", granted)
	}
}

// FuzzIndex makes lists of rules out of bytes. Each line is a filter, the last one is asked for.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("\x07\x00\x01\n!\x08\x07\n\x07\x07"), "a", "b", "a/+/#")
	f.Add([]byte("\x09\x07#\n!\x05\x07\n\x0d\n\x0f\x10"), "aa", "", "$s/a")
	f.Fuzz(func(t *testing.T, data []byte, id, claim, asked string) {
		var rules []topic.Rule
		for _, line := range strings.Split(string(data), "\n") {
			line, isDeny := strings.CutPrefix(line, "!")
			line, tail := strings.CutSuffix(line, "#")
			filter := path(levelsOfRules, []byte(line))
			if tail {
				filter += "/#"
			}
			rules = append(rules, topic.Rule{Deny: isDeny, Publish: true, Subscribe: true, Filters: []string{filter}})
		}
		values := map[string]string{"client_id": id, "username": id, ".Claims.x": claim}
		asks := []string{asked, id, claim, "a" + id, id + "b", "+/" + id + "/#", "b" + claim + "a/+"}
		for _, line := range strings.Split(asked, "\n") {
			asks = append(asks, path(levelsAsked, []byte(line)), path(levelsAsked, []byte(line))+"/#")
		}
		compareIndex(t, rules, values, asks)
	})
}

// TestIndexAllocatesNothing counts allocations; see BenchmarkRules for time.
func TestIndexAllocatesNothing(t *testing.T) {
	s := bound(t, compiled(t, manyRules(4096)), nil)
	if n := testing.AllocsPerRun(100, func() {
		s.MaySubscribe([]byte("plant/+/x"))
		s.MayPublish([]byte("plant/line-3000/set"))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// manyRules is what an operator with many plants writes.
func manyRules(n int) []topic.Rule {
	var rules []topic.Rule
	for i := range n {
		if i%4 == 0 {
			rules = append(rules, topic.Rule{Publish: true, Subscribe: true, Deny: i%16 == 0})
		}
		r := &rules[len(rules)-1]
		r.Filters = append(r.Filters, fmt.Sprintf("plant/line-%d/#", i))
	}
	return rules
}

func BenchmarkRules(b *testing.B) {
	for _, n := range []int{1, 4, 8, 12, 16, 32, 64, 1000, 4000} {
		r := compiled(b, manyRules(n))
		for _, how := range []struct {
			name string
			set  *topic.Set
		}{{"linear", bound(b, topic.Linear(r), nil)}, {"index", bound(b, topic.Indexed(r), nil)}} {
			for _, asked := range []string{"x/y", "plant/+/x", "plant/line-2/a"} {
				b.Run(fmt.Sprintf("rules=%d/%s/%s", n, how.name, strings.ReplaceAll(asked, "/", ".")), func(b *testing.B) {
					filter := []byte(asked)
					for b.Loop() {
						how.set.MaySubscribe(filter)
					}
				})
			}
		}
	}
}

package topic

import (
	"errors"
	"fmt"
	"strings"
)

// maxTextRules is how many rules a text may hold.
const maxTextRules = 256

var errTextRule = errors.New("a rule is allow or deny, then publish, subscribe or all, then a topic filter")

// ParseRules reads rules as a claim has them, one in a line, such as "allow publish a/b/#". Empty lines say nothing. The error
// names the rule, counted from 0, and holds nothing of it.
func ParseRules(text string) ([]Rule, error) {
	var rules []Rule
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(rules) == maxTextRules {
			return nil, fmt.Errorf("more than %d rules", maxTextRules)
		}
		r, ok := parseRule(line)
		if !ok {
			return nil, fmt.Errorf("rule %d: %w", len(rules), errTextRule)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(line string) (r Rule, ok bool) {
	verdict, rest, _ := strings.Cut(line, " ")
	what, filter, ok := strings.Cut(strings.TrimSpace(rest), " ")
	r = Rule{
		Deny: verdict == "deny", Publish: what == "publish" || what == "all", Subscribe: what == "subscribe" || what == "all",
		Filters: []string{strings.TrimSpace(filter)},
	}
	return r, ok && (r.Deny || verdict == "allow") && (r.Publish || r.Subscribe)
}

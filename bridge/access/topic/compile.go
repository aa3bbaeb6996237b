package topic

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits of a list of rules. They bound what one decision can cost, and maxFilters what a bitmap can hold.
const (
	maxRules   = 1024
	maxFilters = 4096 // in all rules
	maxLength  = 1024 // of a filter, in bytes
	maxLevels  = 128  // of a filter
)

// Rule allows or denies the topics that its filters match.
type Rule struct {
	Deny      bool // otherwise it allows
	Publish   bool // it speaks of PUBLISH
	Subscribe bool // it speaks of SUBSCRIBE
	Filters   []string
}

// Rules is a list of rules ready for use. It does not change and is safe for concurrent use.
type Rules struct {
	publish, subscribe list
	placeholders
	unbound Set // for all sessions, if there is no placeholder
}

// list is the filters of all rules that speak of one of PUBLISH and SUBSCRIBE.
type list struct {
	rules []rule
	index *index // nil where there are few
}

// rule is one filter of a Rule.
type rule struct {
	pattern
	deny bool
}

// placeholders are the names that stand in some list of rules, or in a mount.
type placeholders []placeholder

// placeholder is a name that stands in some filter.
type placeholder struct {
	name  string
	first bool // somewhere a topic begins with it
}

// Names of the placeholders that are not claims.
const (
	ClientID = "client_id"
	Username = "username"
	Subject  = "subject"
)

// ClaimPrefix comes before the name of a claim.
const ClaimPrefix = ".Claims."

// RuleError says what is wrong with one rule of a list.
type RuleError struct {
	Rule int // counted from 0
	Err  error
}

// Error names the rule.
func (e *RuleError) Error() string { return fmt.Sprintf("rule %d: %v", e.Rule, e.Err) }

// Unwrap returns what is wrong.
func (e *RuleError) Unwrap() error { return e.Err }

// Compile reads a list of rules. An empty list denies everything. The error is that of the first rule that has one, a [*RuleError].
func Compile(rules []Rule) (*Rules, error) {
	r := new(Rules)
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules, at most %d", len(rules), maxRules)
	}
	filters := 0
	for i, in := range rules {
		if !in.Publish && !in.Subscribe {
			return nil, &RuleError{i, errVerb}
		}
		if len(in.Filters) == 0 {
			return nil, &RuleError{i, errNoFilter}
		}
		if filters += len(in.Filters); filters > maxFilters {
			return nil, fmt.Errorf("more than %d filters", maxFilters)
		}
		for _, filter := range in.Filters {
			p, err := r.compile(filter)
			if err != nil {
				return nil, &RuleError{i, fmt.Errorf("filter %.100q: %w", filter, err)}
			}
			if in.Publish {
				r.publish.rules = append(r.publish.rules, rule{p, in.Deny})
			}
			if in.Subscribe {
				r.subscribe.rules = append(r.subscribe.rules, rule{p, in.Deny})
			}
		}
	}
	r.publish.index, r.subscribe.index = newIndex(r.publish.rules), newIndex(r.subscribe.rules)
	r.unbound.rules = r
	return r, nil
}

var (
	errVerb        = errors.New("speaks neither of publish nor of subscribe")
	errNoFilter    = errors.New("has no filter")
	errEmpty       = errors.New("is empty")
	errLong        = fmt.Errorf("is longer than %d bytes or %d levels", maxLength, maxLevels)
	errText        = errors.New("is not UTF-8 without control characters")
	errHash        = errors.New("# may only be the whole last level")
	errPlus        = errors.New("+ may only be a whole level")
	errShare       = errors.New("a shared subscription is judged by its filter: leave out $share and the name")
	errPlaceholder = errors.New("placeholders are {{client_id}}, {{username}}, {{subject}} and {{.Claims.name}}, one in a level")
)

// compile reads one filter and notes its placeholders.
func (r *Rules) compile(filter string) (p pattern, err error) {
	switch {
	case filter == "":
		return p, errEmpty
	case len(filter) > maxLength || strings.Count(filter, "/") >= maxLevels:
		return p, errLong
	case !plainText(filter):
		return p, errText
	case filter == "$share" || strings.HasPrefix(filter, "$share/"):
		return p, errShare
	}
	filter, p.tail = cutTail(filter)
	for i, text := range strings.Split(filter, "/") {
		l, err := r.compileLevel(text, i == 0)
		if err != nil {
			return p, err
		}
		p.levels = append(p.levels, l)
	}
	return p, nil
}

var levelWithPlaceholder = regexp.MustCompile(`^([^{}]*)\{\{ *([a-z_]+|\.Subject|\.Claims\.[A-Za-z0-9_-]+) *\}\}([^{}]*)$`)

func (ps *placeholders) compileLevel(text string, first bool) (level, error) {
	l := level{before: text, value: -1}
	if strings.ContainsAny(text, "{}") {
		m := levelWithPlaceholder.FindStringSubmatch(text)
		if m == nil {
			return l, errPlaceholder
		}
		l.before, l.after = m[1], m[3]
		name := m[2]
		switch {
		case name == ".Subject":
			name = Subject
		case name == ClientID, name == Username, name == Subject, strings.HasPrefix(name, ClaimPrefix):
		default:
			return l, errPlaceholder
		}
		l.value = ps.place(name, first && l.before == "")
	}
	switch {
	case text == "+":
		l.any = true
	case strings.Contains(text, "#"):
		return l, errHash
	case strings.Contains(text, "+"):
		return l, errPlus
	}
	return l, nil
}

// place returns the place of the value with that name.
func (ps *placeholders) place(name string, first bool) int {
	for i := range *ps {
		if p := &(*ps)[i]; p.name == name {
			p.first = p.first || first
			return i
		}
	}
	*ps = append(*ps, placeholder{name, first})
	return len(*ps) - 1
}

// plainText reports whether s is UTF-8 without control characters.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7F && c < 0xA0 })
}

package topic

import (
	"bytes"
	"fmt"
	"strings"
)

// maxValue is the longest value of a placeholder, in bytes.
const maxValue = 256

// Set is a list of rules for one device. It does not change and is safe for concurrent use. Its decisions allocate nothing.
type Set struct {
	rules  *Rules
	values []string // of the placeholders; empty: not known
	next   *Set     // asked about what no rule speaks of; nil: that is denied
}

// Then returns the rules of s with those of next behind them.
func (s *Set) Then(next *Set) *Set {
	if s.next != nil {
		next = s.next.Then(next)
	}
	return &Set{rules: s.rules, values: s.values, next: next}
}

// ValueError says that a value cannot stand in a topic filter, or is not known where a rule denies. It does not hold the value, which is
// the device's own.
type ValueError struct {
	Placeholder string
	Unknown     bool
}

// Error names the placeholder.
func (e *ValueError) Error() string {
	if e.Unknown {
		return fmt.Sprintf("nothing is known for {{%s}}, and a rule that denies needs it", e.Placeholder)
	}
	return fmt.Sprintf("the value of {{%s}} cannot stand in a topic: it has one of / + #, a control character, a $ where a "+
		"topic begins, or more than %d bytes", e.Placeholder, maxValue)
}

// Bind returns the rules for a device. value is asked once for each placeholder that the rules have and answers "" for what is
// not known; what it returns is kept. The error is a [*ValueError].
func (r *Rules) Bind(value func(name string) string) (*Set, error) {
	if len(r.placeholders) == 0 {
		return &r.unbound, nil
	}
	values, err := r.placeholders.values(value)
	if err != nil {
		return nil, err
	}
	if err := r.deniesUnknown(values); err != nil {
		return nil, err
	}
	return &Set{rules: r, values: values}, nil
}

// deniesUnknown looks for a rule that would deny nothing because a value is not known. What it is there to deny a later rule may allow.
func (r *Rules) deniesUnknown(values []string) error {
	for _, list := range [][]rule{r.publish.rules, r.subscribe.rules} {
		for i := range list {
			for _, l := range list[i].levels {
				if list[i].deny && !l.any && l.value >= 0 && values[l.value] == "" {
					return &ValueError{Placeholder: r.placeholders[l.value].name, Unknown: true}
				}
			}
		}
	}
	return nil
}

// values asks for the value of each placeholder.
func (ps placeholders) values(value func(name string) string) ([]string, error) {
	values := make([]string, len(ps))
	for i, p := range ps {
		v := value(p.name)
		if len(v) > maxValue || strings.ContainsAny(v, "/+#") || !plainText(v) || p.first && strings.HasPrefix(v, "$") {
			return nil, &ValueError{Placeholder: p.name}
		}
		values[i] = v
	}
	return values, nil
}

// MayPublish reports whether the device may publish to the topic. What is no topic name, it may not.
func (s *Set) MayPublish(topic []byte) bool {
	return s.allows(topic, func(r *Rules) *list { return &r.publish })
}

// MayReceive reports whether the device may have messages of the topic: whether it may subscribe to it alone. What is no topic
// name, it may not. A topic that begins with $share/ is meant as it stands.
func (s *Set) MayReceive(topic []byte) bool {
	return s.allows(topic, func(r *Rules) *list { return &r.subscribe })
}

// allows reports whether the first rule that matches the topic allows it.
func (s *Set) allows(topic []byte, of func(*Rules) *list) bool {
	if len(topic) == 0 || bytes.IndexByte(topic, '+') >= 0 || bytes.IndexByte(topic, '#') >= 0 {
		return false
	}
	for ; s != nil; s = s.next {
		l := of(s.rules)
		if i := l.match(topic, s.values); i != none {
			return !l.rules[i].deny
		}
	}
	return false
}

// match returns the first rule that matches the topic, or none.
func (l *list) match(topic []byte, values []string) int {
	if l.index != nil {
		return l.index.match(topic, values)
	}
	for i := range l.rules {
		if l.rules[i].matches(topic, values) {
			return i
		}
	}
	return none
}

// MaySubscribe reports whether the device may subscribe to the filter: one rule allows every topic that the filter matches,
// and no rule before it denies any. What is no topic filter, it may not subscribe to.
func (s *Set) MaySubscribe(filter []byte) bool {
	if bytes.HasPrefix(filter, []byte("$share/")) {
		name, rest, ok := bytes.Cut(filter[len("$share/"):], []byte{'/'})
		// A share within a share means different things to different brokers.
		if !ok || len(name) == 0 || bytes.ContainsAny(name, "+#") || bytes.HasPrefix(rest, []byte("$share/")) {
			return false
		}
		filter = rest
	}
	filter, tail := cutTail(filter)
	if !tail && len(filter) == 0 || !wellFormed(filter) {
		return false
	}
	for ; s != nil; s = s.next {
		covered, denied := s.rules.subscribe.relate(filter, tail, s.values)
		switch {
		case denied < covered, denied == covered && denied != none:
			return false
		case covered != none:
			return true
		}
	}
	return false
}

// relate returns the first rule that covers the filter, and the first among those that deny which covers or overlaps it, unless it comes
// after the other; none where there is none.
func (l *list) relate(filter []byte, tail bool, values []string) (covered, denied int) {
	if l.index != nil {
		return l.index.relate(filter, tail, values)
	}
	denied = none
	for i := range l.rules {
		r := &l.rules[i]
		relation := r.relate(filter, tail, values)
		if relation != apart && r.deny {
			denied = min(denied, i)
		}
		if relation == covers {
			return i, denied
		}
		if denied != none {
			break
		}
	}
	return none, denied
}

// wellFormed reports whether every + of a filter without its # is a whole level, and no # is left.
func wellFormed(filter []byte) bool {
	for i, c := range filter {
		switch {
		case c == '#':
			return false
		case c == '+' && (i > 0 && filter[i-1] != '/' || i < len(filter)-1 && filter[i+1] != '/'):
			return false
		}
	}
	return true
}

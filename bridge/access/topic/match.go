package topic

import "bytes"

// pattern is a compiled filter: the levels a topic has to begin with and, with tail, any number of levels after these. A
// filter # is written as +/#, which matches the same.
type pattern struct {
	levels []level
	tail   bool
}

// level is one level of a pattern: +, a text, or a text with a value in it.
type level struct {
	any           bool
	value         int // index of the value between before and after, or -1
	before, after string
}

// equal reports whether the level, which is not +, is exactly text.
func (l *level) equal(text []byte, values []string) bool {
	if l.value < 0 {
		return string(text) == l.before
	}
	v := values[l.value]
	return v != "" && len(text) == len(l.before)+len(v)+len(l.after) &&
		string(text[:len(l.before)]) == l.before &&
		string(text[len(l.before):len(l.before)+len(v)]) == v &&
		string(text[len(l.before)+len(v):]) == l.after
}

// cutLevel cuts the first level off; more says that another follows.
func cutLevel(s []byte) (first, rest []byte, more bool) {
	if i := bytes.IndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, nil, false
}

// cutTail takes a # from the end of a filter and says whether there was one.
func cutTail[T []byte | string](filter T) (T, bool) {
	n := len(filter)
	switch {
	case n == 1 && filter[0] == '#':
		return T("+"), true
	case n >= 2 && filter[n-1] == '#' && filter[n-2] == '/':
		return filter[:n-2], true
	}
	return filter, false
}

// matches reports whether the topic is one of the pattern's.
func (p *pattern) matches(topic []byte, values []string) bool {
	if p.levels[0].any && len(topic) > 0 && topic[0] == '$' {
		return false // [MQTT-4.7.2-1]
	}
	rest, more := topic, true
	for i := range p.levels {
		if !more {
			return false
		}
		var text []byte
		text, rest, more = cutLevel(rest)
		if l := &p.levels[i]; !l.any && !l.equal(text, values) {
			return false
		}
	}
	return !more || p.tail
}

// relation is what a pattern's topics have to do with those of a filter.
type relation int

const (
	apart    relation = iota // they have none in common
	overlaps                 // they have some in common, or may have
	covers                   // the pattern has all that the filter has
)

// relate compares the pattern with a filter, of which cutTail took the #. Both matter as sets of topics: only their common
// levels need comparing, then their lengths.
func (p *pattern) relate(filter []byte, tail bool, values []string) relation {
	if dollar := len(filter) > 0 && filter[0] == '$'; dollar && p.levels[0].any {
		return apart
	}
	out := covers
	rest, more := filter, true
	for i := range p.levels {
		if !more {
			if !tail {
				return apart // all topics of the filter are shorter
			}
			return relateRest(p.levels[i:], values)
		}
		var text []byte
		text, rest, more = cutLevel(rest)
		l := &p.levels[i]
		switch any := len(text) == 1 && text[0] == '+'; {
		case l.any:
		case any && l.possible(i == 0, values):
			out = overlaps
		case any, !l.equal(text, values):
			return apart
		}
	}
	switch {
	case p.tail:
		return out
	case more:
		return apart // all topics of the filter are longer
	case tail:
		return overlaps
	}
	return out
}

// relateRest ends relate where the filter has only its # left and the pattern has further levels.
func relateRest(levels []level, values []string) relation {
	for i := range levels {
		if l := &levels[i]; !l.any && !l.possible(false, values) {
			return apart
		}
	}
	return overlaps
}

// possible reports whether there are topics with this level that a + there would match.
func (l *level) possible(first bool, values []string) bool {
	if l.value >= 0 && values[l.value] == "" {
		return false
	}
	if !first {
		return true
	}
	start := l.before
	if start == "" && l.value >= 0 {
		start = values[l.value]
	}
	return start == "" || start[0] != '$' // [MQTT-4.7.2-1]
}

package topic

// index answers for a list of rules what [pattern.matches] and [pattern.relate] answer for one, for all of them at once. For every level
// of the filters it has the set of rules that a text there agrees with, so that a topic costs one look-up and one intersection for each of
// its levels, and at most 64 words for each, however many rules there are.
type index struct {
	levels []levelIndex // as many as the longest filter has
	ends   []bitmap     // by n: filters of n levels
	tails  []bitmap     // of them those with a #
	deny   bitmap
}

// levelIndex is one level of all filters that have it.
type levelIndex struct {
	any    bitmap             // those with a +
	wild   bitmap             // those that have topics which a + there matches
	texts  map[string]*bitmap // those with a text
	values []valueIndex       // those with a value in the text
}

// valueIndex holds the filters with one placeholder at some level, by what stands around it there.
type valueIndex struct {
	value         int
	before, after int // the longest
	affixes       map[affix]*bitmap
}

// affix is the text around a value.
type affix struct{ before, after string }

// fewFilters is up to how many filters a list has no index: to look at each of them is as fast, and the rules of one device's token are
// kept with its session.
const fewFilters = 8

// newIndex returns the index of a list, nil where it has few rules.
func newIndex(rules []rule) *index {
	if len(rules) <= fewFilters {
		return nil
	}
	return buildIndex(rules)
}

func buildIndex(rules []rule) *index {
	x := new(index)
	for i := range rules {
		x.add(i, &rules[i])
	}
	return x
}

func (x *index) add(position int, r *rule) {
	for len(x.levels) < len(r.levels) {
		x.levels = append(x.levels, levelIndex{})
	}
	for len(x.ends) <= len(r.levels) {
		x.ends, x.tails = append(x.ends, bitmap{}), append(x.tails, bitmap{})
	}
	x.ends[len(r.levels)].add(position)
	if r.tail {
		x.tails[len(r.levels)].add(position)
	}
	if r.deny {
		x.deny.add(position)
	}
	for depth := range r.levels {
		x.levels[depth].add(position, &r.levels[depth], depth == 0)
	}
}

func (x *levelIndex) add(position int, l *level, first bool) {
	// A value begins no topic with $, see placeholders.values, and that of a rule that denies is known, see Bind.
	if !first || l.any || l.before == "" || l.before[0] != '$' {
		x.wild.add(position)
	}
	switch {
	case l.any:
		x.any.add(position)
	case l.value < 0:
		if x.texts == nil {
			x.texts = make(map[string]*bitmap)
		}
		set := x.texts[l.before]
		if set == nil {
			set = new(bitmap)
			x.texts[l.before] = set
		}
		set.add(position)
	default:
		x.valueAt(l.value).add(position, l)
	}
}

// valueAt returns what there is of a placeholder.
func (x *levelIndex) valueAt(value int) *valueIndex {
	for i := range x.values {
		if x.values[i].value == value {
			return &x.values[i]
		}
	}
	x.values = append(x.values, valueIndex{value: value, affixes: make(map[affix]*bitmap)})
	return &x.values[len(x.values)-1]
}

func (v *valueIndex) add(position int, l *level) {
	v.before, v.after = max(v.before, len(l.before)), max(v.after, len(l.after))
	around := affix{l.before, l.after}
	set := v.affixes[around]
	if set == nil {
		set = new(bitmap)
		v.affixes[around] = set
	}
	set.add(position)
}

// find adds the rules whose level a text agrees with, without those with a +.
func (x *levelIndex) find(text []byte, values []string, found *candidates) {
	if set := x.texts[string(text)]; set != nil {
		found.unite(set)
	}
	for i := range x.values {
		v := &x.values[i]
		value := values[v.value]
		around := len(text) - len(value)
		if value == "" || around < 0 || around > v.before+v.after {
			continue
		}
		for at := max(0, around-v.after); at <= min(v.before, around); at++ {
			end := at + len(value)
			if string(text[at:end]) != value {
				continue
			}
			if set := v.affixes[affix{string(text[:at]), string(text[end:])}]; set != nil {
				found.unite(set)
			}
		}
	}
}

// match returns the first rule that matches a topic, or none.
func (x *index) match(topic []byte, values []string) int {
	var alive, level candidates
	first := none
	rest, more := topic, true
	for depth := range x.levels {
		var text []byte
		text, rest, more = cutLevel(rest)
		l := &x.levels[depth]
		level.summary = 0
		if depth > 0 || topic[0] != '$' { // [MQTT-4.7.2-1]
			level.unite(&l.any)
		}
		l.find(text, values, &level)
		alive.narrow(&level, depth)
		if !more {
			return min(first, alive.firstOf(&x.ends[depth+1]))
		}
		first = min(first, alive.firstOf(&x.tails[depth+1]))
		if alive.summary == 0 {
			break
		}
	}
	return first
}

// relate compares a filter, of which cutTail took the #, with all rules. It returns the first that covers the filter, and the first
// among those that deny which covers or overlaps it.
func (x *index) relate(filter []byte, tail bool, values []string) (covered, denied int) {
	var covers, overlaps, level candidates
	covered, denied = none, none
	dollar := len(filter) > 0 && filter[0] == '$'
	rest, more := filter, true
	for depth := range x.levels {
		var text []byte
		text, rest, more = cutLevel(rest)
		l := &x.levels[depth]
		level.summary = 0
		if depth > 0 || !dollar { // [MQTT-4.7.2-1]
			level.unite(&l.any)
		}
		if wild := len(text) == 1 && text[0] == '+'; wild {
			covers.narrow(&level, depth)
			level.unite(&l.wild)
		} else {
			l.find(text, values, &level)
			covers.narrow(&level, depth)
		}
		overlaps.narrow(&level, depth)
		if depth == 0 {
			overlaps.keepOf(&x.deny)
		}
		n := depth + 1
		switch {
		case more:
			covered = min(covered, covers.firstOf(&x.tails[n]))
			denied = min(denied, overlaps.firstOf(&x.tails[n]))
		case tail: // topics of further levels are the filter's, and all that are left have some
			return min(covered, covers.firstOf(&x.tails[n])), min(denied, overlaps.first())
		default:
			return min(covered, covers.firstOf(&x.ends[n])), min(denied, overlaps.firstOf(&x.ends[n]))
		}
		if covers.summary|overlaps.summary == 0 {
			break
		}
	}
	return covered, denied
}

// narrow takes out what is not in o; at depth 0 that is what there is to begin with.
func (c *candidates) narrow(o *candidates, depth int) {
	if depth == 0 {
		*c = *o
		return
	}
	c.keep(o)
}

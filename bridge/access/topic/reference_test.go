package topic_test

import (
	"math/bits"
	"strings"

	"mqtt-ws-bridge/bridge/access/topic"
)

// The reference knows nothing of overlaps: it enumerates topics and looks at each. The alphabet holds every level that the
// filters of the tests name, one that none names, with $ and without, and the empty one; topics are one level deeper than
// filters. No further topic could be told apart by these filters.

var (
	topicLevels  = []string{"a", "", "$s", "z", "$z"}
	filterLevels = []string{"a", "", "$s", "+"}
)

const deepestFilter = 3

// sequences returns all paths of 1 to depth levels.
func sequences(levels []string, depth int) []string {
	all := levels
	last := levels
	for range depth - 1 {
		var next []string
		for _, path := range last {
			for _, level := range levels {
				next = append(next, path+"/"+level)
			}
		}
		all = append(all[:len(all):len(all)], next...)
		last = next
	}
	return all
}

// allTopics has the topic "" too, though MQTT has not [MQTT-4.7.3-1]: the code under test makes no exception for it when it
// compares filters, which may refuse one more subscription and grants none.
func allTopics() []string { return sequences(topicLevels, deepestFilter+1) }

func allFilters() []string {
	filters := []string{"#"}
	for _, f := range sequences(filterLevels, deepestFilter) {
		if f != "" {
			filters = append(filters, f)
		}
		filters = append(filters, f+"/#")
	}
	return filters
}

// refMatch is MQTT 5 section 4.7 read aloud.
func refMatch(filter, name string) bool {
	if strings.HasPrefix(name, "$") && (filter[0] == '+' || filter[0] == '#') {
		return false
	}
	return refLevels(strings.Split(filter, "/"), strings.Split(name, "/"))
}

func refLevels(filter, name []string) bool {
	switch {
	case len(filter) == 1 && filter[0] == "#":
		return true // also of the parent level
	case len(filter) == 0 || len(name) == 0:
		return len(filter) == len(name)
	case filter[0] != "+" && filter[0] != name[0]:
		return false
	}
	return refLevels(filter[1:], name[1:])
}

// bitset is a set of topics, by their place in a list.
type bitset []uint64

func topicsOf(filter string, topics []string) bitset {
	s := make(bitset, (len(topics)+63)/64)
	for i, name := range topics {
		if refMatch(filter, name) {
			s[i/64] |= 1 << (i % 64)
		}
	}
	return s
}

func (s bitset) within(t bitset) bool {
	for i := range s {
		if s[i]&^t[i] != 0 {
			return false
		}
	}
	return true
}

func (s bitset) meets(t bitset) bool {
	for i := range s {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

func (s bitset) each(visit func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			visit(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// refPublish is what the first rule that matches says.
func refPublish(rules []topic.Rule, name string) bool {
	if name == "" {
		return false
	}
	for _, r := range rules {
		for _, f := range r.Filters {
			if refMatch(f, name) {
				return !r.Deny
			}
		}
	}
	return false
}

// refSubscribe goes through the rules with sets of topics.
func refSubscribe(rules []topic.Rule, sets map[string]bitset, filter string) bool {
	asked := sets[filter]
	for _, r := range rules {
		for _, f := range r.Filters {
			switch {
			case r.Deny && sets[f].meets(asked):
				return false
			case !r.Deny && asked.within(sets[f]):
				return true
			}
		}
	}
	return false
}

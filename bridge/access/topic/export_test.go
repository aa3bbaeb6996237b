package topic

// Linear returns the rules without an index: each is compared with what is asked for.
func Linear(r *Rules) *Rules {
	c := *r
	c.publish.index, c.subscribe.index = nil, nil
	c.unbound.rules = &c
	return &c
}

// Indexed returns the rules with an index, however few they are.
func Indexed(r *Rules) *Rules {
	c := *r
	c.publish.index, c.subscribe.index = buildIndex(c.publish.rules), buildIndex(c.subscribe.rules)
	c.unbound.rules = &c
	return &c
}

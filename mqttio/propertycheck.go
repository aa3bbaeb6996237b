package mqttio

// inTypeWill stands for the packet type when the properties of a will are checked.
const inTypeWill Type = 0

// check checks a property block of a packet of type t sent by a device: known properties that belong there, each at
// most once save User Property, with values in range and well-formed strings. It returns the set of properties found,
// bit id for each.
func (p Properties) check(t Type) (found uint64, err error) {
	for len(p) > 0 {
		prop, rest, err := p.next()
		if err != nil {
			return 0, err
		}
		r := &propertyRules[prop.ID]
		bit := uint64(1) << prop.ID
		switch {
		case r.packets>>t&1 == 0:
			return 0, errPropertyPacket
		case found&bit != 0 && !r.many:
			return 0, errPropertyTwice
		}
		found |= bit
		if err := checkValue(prop, r, len(p)-len(rest)-1); err != nil {
			return 0, err
		}
		p = rest
	}
	return found, nil
}

// checkValue checks a value that takes size bytes.
func checkValue(prop Property, r *propertyRule, size int) error {
	switch r.kind {
	case text:
		if prop.ID == PropResponseTopic {
			return checkResponseTopic(prop.Value)
		}
		return checkString(prop.Value)
	case data:
		return nil
	case pair:
		if err := checkString(prop.Name); err != nil {
			return err
		}
		return checkString(prop.Value)
	}
	if prop.Number < r.min || prop.Number > r.max {
		if prop.ID == PropTopicAlias {
			return errTopicAlias0
		}
		return errPropertyValue
	}
	if r.kind == varInt && size != varintLen(int(prop.Number)) {
		return errVarintLong
	}
	return nil
}

func checkResponseTopic(s []byte) error {
	if err := checkTopicName(s); err != nil {
		if err == errTopicWildcard {
			return errResponseTopic
		}
		return err
	}
	return nil
}

// has reports whether the set that check returned holds a property.
func has(found uint64, id PropertyID) bool { return found>>id&1 != 0 }

// checkBlock checks the property block at the start of b, its length included, and returns what follows it.
func checkBlock(b []byte, t Type) (found uint64, rest []byte, err error) {
	p, rest, err := properties(b)
	if err != nil {
		return 0, nil, err
	}
	if len(b)-len(rest)-len(p) != varintLen(len(p)) {
		return 0, nil, errVarintLong
	}
	found, err = p.check(t)
	return found, rest, err
}

package access

import (
	"errors"
	"fmt"

	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/mqttio"
)

// Policy says for all devices what becomes of their CONNECT and what they may do. Safe for concurrent use.
type Policy struct {
	Mapping Mapping
	Mount   *topic.Mount // nil: none
	Rules   *topic.Rules // nil: no rules, everything is allowed
	// RulesClaim names a claim with further rules, which are asked after Rules; see [topic.ParseRules]. Empty: none. With it Rules must
	// not be nil. A device without the claim has no others.
	RulesClaim string
}

// For returns what one device may do: id is who it is, nil if nothing was proved.
func (p *Policy) For(id *Identity) police.Policy { return &devicePolicy{policy: p, id: id} }

// devicePolicy is a [police.Policy].
type devicePolicy struct {
	policy *Policy
	id     *Identity  // nil after Connect: it holds a token
	set    *topic.Set // nil: everything is allowed
}

var (
	errWill         = errors.New("the device may not publish to the topic of its will")
	errWillResponse = errors.New("the device may not subscribe to the response topic of its will")
)

// Connect edits CONNECT and looks at the will. Its errors hold no secret.
func (d *devicePolicy) Connect(pkt []byte, c *mqttio.Connect) (terms police.Terms, err error) {
	id := d.id
	d.id = nil
	edit, err := d.policy.Mapping.Edit(c, id)
	if err != nil {
		return terms, err
	}
	clientID, username := string(c.ClientID), string(c.Username)
	if edit.ClientID != nil {
		clientID = *edit.ClientID
	}
	if edit.Username != nil {
		username = *edit.Username
	}
	value := func(name string) string { return id.value(name, clientID, username) }
	if d.set, err = d.policy.bind(id, value); err != nil {
		return terms, err
	}
	if err := d.judgeWill(c); err != nil {
		return terms, err
	}
	if mount := d.policy.Mount; mount != nil {
		prefix, err := mount.Bind(value)
		if err != nil {
			return terms, err
		}
		edit.Mount = mqttio.Mount(prefix)
	}
	var edited []byte
	if edit.ClientID != nil || edit.Username != nil || edit.Password != nil || edit.UserProperties != nil || c.Will && edit.Mount != "" {
		if edited, err = mqttio.AppendConnect(nil, pkt, c, &edit); err != nil {
			return terms, err
		}
	}
	return police.Terms{Connect: edited, Mount: edit.Mount, ReceivesAll: d.set == nil}, nil
}

// bind returns the rules for a device; nil: there are none.
func (p *Policy) bind(id *Identity, value func(name string) string) (*topic.Set, error) {
	if p.Rules == nil {
		return nil, nil
	}
	set, err := p.Rules.Bind(value)
	if err != nil || p.RulesClaim == "" || id == nil {
		return set, err
	}
	rules, err := topic.ParseRules(id.Claims[p.RulesClaim])
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", p.RulesClaim, err)
	}
	compiled, err := topic.Compile(rules)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", p.RulesClaim, err)
	}
	own, err := compiled.Bind(value)
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", p.RulesClaim, err)
	}
	return set.Then(own), nil
}

// judgeWill looks at the will as at a PUBLISH.
func (d *devicePolicy) judgeWill(c *mqttio.Connect) error {
	if !c.Will {
		return nil
	}
	if !d.MayPublish(c.WillTopic) {
		return errWill
	}
	if response, ok, _ := c.WillProperties.ResponseTopic(); ok && !d.MayReceive(response) {
		return errWillResponse
	}
	return nil
}

// MayPublish follows the rules.
func (d *devicePolicy) MayPublish(topic []byte) bool { return d.set == nil || d.set.MayPublish(topic) }

// MaySubscribe follows the rules.
func (d *devicePolicy) MaySubscribe(filter []byte) bool {
	return d.set == nil || d.set.MaySubscribe(filter)
}

// MayReceive follows the rules.
func (d *devicePolicy) MayReceive(topic []byte) bool { return d.set == nil || d.set.MayReceive(topic) }

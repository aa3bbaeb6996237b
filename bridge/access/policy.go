package access

import (
	"errors"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/mqttio"
)

// Policy says for all devices what becomes of their CONNECT and what they may do. Safe for concurrent use.
type Policy struct {
	Mapping Mapping
	Rules   *topic.Rules // nil: no rules, everything is allowed
}

// For returns what one device may do: id is who it is, nil if nothing was proved.
func (p *Policy) For(id *Identity) bridge.Policy { return &devicePolicy{policy: p, id: id} }

// devicePolicy is a [bridge.Policy].
type devicePolicy struct {
	policy *Policy
	id     *Identity  // nil after Connect: it holds a token
	set    *topic.Set // nil: everything is allowed
}

var errWill = errors.New("the device may not publish to the topic of its will")

// Connect edits CONNECT and looks at the will. Its errors hold no secret.
func (d *devicePolicy) Connect(pkt []byte, c *mqttio.Connect) ([]byte, error) {
	id := d.id
	d.id = nil
	edit, err := d.policy.Mapping.Edit(c, id)
	if err != nil {
		return nil, err
	}
	if rules := d.policy.Rules; rules != nil {
		clientID, username := string(c.ClientID), string(c.Username)
		if edit.ClientID != nil {
			clientID = *edit.ClientID
		}
		if edit.Username != nil {
			username = *edit.Username
		}
		d.set, err = rules.Bind(func(name string) string { return id.value(name, clientID, username) })
		if err != nil {
			return nil, err
		}
		if c.Will && !d.set.MayPublish(c.WillTopic) {
			return nil, errWill
		}
	}
	if edit.ClientID == nil && edit.Username == nil && edit.Password == nil && edit.UserProperties == nil {
		return nil, nil
	}
	return mqttio.AppendConnect(nil, pkt, c, &edit)
}

// MayPublish follows the rules.
func (d *devicePolicy) MayPublish(topic []byte) bool { return d.set == nil || d.set.MayPublish(topic) }

// MaySubscribe follows the rules.
func (d *devicePolicy) MaySubscribe(filter []byte) bool {
	return d.set == nil || d.set.MaySubscribe(filter)
}

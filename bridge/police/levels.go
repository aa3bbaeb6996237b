package police

import (
	"bytes"
	"errors"

	"mqtt-ws-bridge/mqttio"
)

// Within is policy with limits: levels is how many a topic or filter of the device may have, subscriptions says that those are counted. 0 and
// false limit nothing. It returns nil if there is nothing to ask.
func Within(policy Policy, levels int, subscriptions bool, c Counters) Policy {
	if levels == 0 && !subscriptions {
		return policy
	}
	if policy == nil {
		policy = anything{}
	}
	if levels == 0 {
		return policy
	}
	return &shallow{policy, levels, c}
}

// anything is the policy that allows everything.
type anything struct{}

func (anything) Connect([]byte, *mqttio.Connect) (Terms, error) {
	return Terms{ReceivesAll: true}, nil
}
func (anything) MayPublish([]byte) bool   { return true }
func (anything) MaySubscribe([]byte) bool { return true }
func (anything) MayReceive([]byte) bool   { return true }

// shallow is a policy that forbids topics and filters with too many levels, whatever else the policy below says.
type shallow struct {
	policy   Policy
	levels   int
	counters Counters
}

var errDeepWill = errors.New("the topic of the will has too many levels (quotas.device.topic-levels)")

// Connect looks at the will.
func (p *shallow) Connect(pkt []byte, c *mqttio.Connect) (Terms, error) {
	if c.Will && !p.allows(c.WillTopic) {
		return Terms{}, errDeepWill
	}
	return p.policy.Connect(pkt, c)
}

// MayPublish forbids deep topics.
func (p *shallow) MayPublish(topic []byte) bool { return p.allows(topic) && p.policy.MayPublish(topic) }

// MaySubscribe forbids deep filters. The levels of $share and the group's name count too.
func (p *shallow) MaySubscribe(filter []byte) bool {
	return p.allows(filter) && p.policy.MaySubscribe(filter)
}

// MayReceive has no limit: what is deep comes from others.
func (p *shallow) MayReceive(topic []byte) bool { return p.policy.MayReceive(topic) }

func (p *shallow) allows(topic []byte) bool {
	if bytes.Count(topic, []byte{'/'}) < p.levels {
		return true
	}
	p.counters.Exceeded(QuotaTopicLevels)
	return false
}

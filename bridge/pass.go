package bridge

import (
	"time"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
)

// Pass is what a device was let in with. The zero value limits nothing: the broker decides alone.
type Pass struct {
	Policy  police.Policy // nil: none
	Expires time.Time     // when the session has to end; zero: never
	// NoRetain forbids retained messages, the will included. Without a Policy it has no effect.
	NoRetain bool
	Quota    Quota          // nil: none
	Refuse   *reason.Reason // why the device cannot be taken after all; nil: it can
}

// Denial is what happens to what a policy denies.
type Denial struct {
	// Close ends the session of a device that publishes what it may not. Otherwise MQTT 5 answers with reason code 0x87,
	// and in 3.x, which has no such answer, the message is acknowledged and dropped.
	Close bool
	// ExpiryWithoutWill sends DISCONNECT to the broker for a device whose proof of identity has expired or was revoked.
	ExpiryWithoutWill bool
}

// inspector makes what looks at the packets of a session, within the limits on topics and subscriptions; nil if there is nothing to look for.
func (b *Bridge) inspector(pass Pass, m leg.Memory) *police.Inspector {
	l := b.limits()
	c := counted{b.metrics}
	return police.New(police.Options{
		Policy:      police.Within(pass.Policy, l.TopicLevels, l.Subscriptions > 0, c),
		NoRetain:    pass.NoRetain && pass.Policy != nil,
		CloseDenied: b.denial.Load().Close, Subscriptions: l.Subscriptions, Memory: m, Counters: c,
	})
}

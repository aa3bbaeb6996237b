package bridge

import (
	"time"

	"mqtt-ws-bridge/mqttio"
)

// Pass is what a device was let in with. The zero value limits nothing: the broker decides alone.
type Pass struct {
	Policy  Policy    // nil: none
	Expires time.Time // when the session has to end; zero: never
	// NoRetain forbids retained messages, the will included. Without a Policy it has no effect.
	NoRetain bool
	Quota    Quota   // nil: none
	Refuse   *Reason // why the device cannot be taken after all; nil: it can
}

// Policy says what one device may do. Its methods are called by one goroutine at a time, first Connect, once, and must not wait.
type Policy interface {
	// Connect returns the CONNECT that the broker gets in place of pkt, of which c is the view; nil: pkt as it is. It looks
	// at the will too. An error refuses the device, and stands in the log: it must hold no secret.
	Connect(pkt []byte, c *mqttio.Connect) ([]byte, error)
	// MayPublish reports whether the device may publish to the topic.
	MayPublish(topic []byte) bool
	// MaySubscribe reports whether the device may subscribe to the filter.
	MaySubscribe(filter []byte) bool
}

// denial is what becomes of sessions that a policy does not agree with.
type denial struct {
	closes        bool // a forbidden PUBLISH ends the session
	expireQuietly bool // no will at the end of the identity
}

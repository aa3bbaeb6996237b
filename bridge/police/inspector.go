package police

import (
	"errors"
	"sync"
	"sync/atomic"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Counters hear what an Inspector refuses. Safe for concurrent use.
type Counters interface {
	Denied(t mqttio.Type)  // a PUBLISH, or a topic filter of a SUBSCRIBE
	Withheld()             // a message of the broker that the device may not have
	Exceeded(quota string) // QuotaSubscriptions
}

// The quotas that an Inspector watches, as their metrics name them.
const (
	QuotaSubscriptions = "subscriptions"
	QuotaTopicLevels   = "topic-levels"
	QuotaFilters       = "subscribe-filters"
)

// Options make an [Inspector].
type Options struct {
	Policy        Policy
	NoRetain      bool // retained messages are forbidden, the will included
	CloseDenied   bool // a forbidden PUBLISH ends the session
	Subscriptions int  // that the device makes; 0: any
	Memory        leg.Memory
	Counters      Counters
}

// Inspector looks at the packets of one session. What a device makes it remember is bounded.
//
// Connect and then Accepted are called first; after that Up may be called by one goroutine while Down is called by another.
type Inspector struct {
	o    Options
	subs *subscriptions // nil: they are not counted

	// Set by Connect.
	version     mqttio.Version
	deviceMost  uint32 // bytes of a packet that the device takes; 0: any
	takesAlias  bool   // the broker may use topic aliases
	mount       mqttio.Mount
	keeps       bool // the device asked for a session that the broker keeps
	receivesAll bool // whatever it has kept is allowed

	brokerMost atomic.Uint32 // bytes of a packet that the broker takes; 0: any
	up         up
	down       down

	mu           sync.Mutex
	partial      map[uint16][]byte // by packet identifier: the codes of a SUBSCRIBE that went on in part; guarded by mu
	partialCodes int               // in all of them; guarded by mu
}

// up is what an Inspector remembers of the messages of the device. Owned by who calls Up.
type up struct {
	verdicts
	passed   leg.Counts // messages that went on
	lost     idSet      // topic aliases that the broker did not hear of, because the PUBLISH was dropped
	unsaid   idSet      // QoS 2 messages that were dropped and await PUBREL, in 3.x
	dropping bool       // the rest of a long PUBLISH is to be dropped
}

// down is what it remembers of the messages of the broker. Owned by who calls Down.
type down struct {
	verdicts
	judged      bool       // messages are judged: the broker may have kept subscriptions that were not
	passed      leg.Counts // messages that went on
	lost        idSet      // topic aliases that the device did not hear of
	untold      idSet      // QoS 2 messages that the device did not get and that await PUBREL, in 3.x
	withholding bool       // the rest of a long PUBLISH is kept from the device
	answer      Answer     // what the broker hears when that has come
}

const (
	maxLost    = 1024
	maxUnsaid  = 1024
	maxPartial = 32
	// maxPartialCodes is above what one SUBSCRIBE can have, whose entries take at least four bytes each.
	maxPartialCodes = mqttio.MaxWhole / 4
)

var (
	errRetainedWill    = errors.New("retained will")
	errIDInUse         = errors.New("packet identifier is in use [MQTT-2.2.1-3]")
	errLongProperties  = errors.New("PUBLISH whose properties are too long to be looked at")
	errLongMount       = errors.New("mount longer than MaxMount")
	errTooManyLost     = errors.New("too many forbidden messages with topic aliases or QoS 2")
	errTooManyWithheld = errors.New("too many messages with topic aliases or QoS 2 that the device may not have")
	errBrokerAlias     = errors.New("PUBLISH that may set a topic alias and whose properties cannot be read")
)

// New returns an Inspector for one session; nil, which passes everything, if there is nothing to look at.
func New(o Options) *Inspector {
	if o.Policy == nil {
		return nil
	}
	return &Inspector{o: o, subs: newSubscriptions(o.Subscriptions)}
}

// Connect asks the policy about the CONNECT pkt, of which c is the view. c is then what the broker gets, and connect its bytes, nil if that is
// pkt. A reason says that the device is refused.
func (i *Inspector) Connect(c *mqttio.Connect, pkt []byte) (connect []byte, why *reason.Reason, err error) {
	if i == nil {
		return nil, nil, nil
	}
	i.version, i.deviceMost, i.takesAlias = c.Version, c.MaximumPacketSize, c.TopicAliasMaximum > 0
	if i.o.NoRetain && c.Will && c.WillRetain {
		return nil, reason.NotAuthorized, errRetainedWill
	}
	terms, err := i.o.Policy.Connect(pkt, c)
	if err != nil {
		return nil, reason.NotAuthorized, err
	}
	if len(terms.Mount) > MaxMount {
		return nil, reason.Internal, errLongMount
	}
	i.mount, i.keeps, i.receivesAll = terms.Mount, !c.CleanStart, terms.ReceivesAll
	if terms.Connect == nil {
		return nil, nil, nil
	}
	if *c, err = mqttio.ParseConnect(terms.Connect); err != nil {
		return nil, reason.Internal, err
	}
	return terms.Connect, nil, nil
}

// Forget lets go of the packet that was inspected last in a direction, and of its verdict. Called by who calls Up or Down, before it waits:
// otherwise a quiet session would keep what nobody counts any more, up to twice [mqttio.MaxWhole] for each direction.
func (i *Inspector) Forget(d mqttio.Direction) {
	switch {
	case i == nil:
	case d == mqttio.Up:
		i.up.forget()
	default:
		i.down.forget()
	}
}

// Grows returns by how many bytes a PUBLISH up may become longer below the mount: the topic, the response topic, and lengths.
func (i *Inspector) Grows() int {
	if i == nil {
		return 0
	}
	return 2*len(i.mount) + 8
}

// Accepted reads what the broker's CONNACK says.
func (i *Inspector) Accepted(ack *mqttio.Connack) {
	if i == nil {
		return
	}
	i.brokerMost.Store(ack.MaximumPacketSize)
	resumed := ack.SessionPresent || i.version == mqttio.V31 && i.keeps // 3.1 does not say whether it was there
	i.down.judged = resumed && !i.receivesAll
}

// most is how large a packet up may become, at most limit.
func (i *Inspector) most(limit int) int {
	if m := i.brokerMost.Load(); m > 0 && uint64(m) < uint64(limit) {
		return int(m)
	}
	return limit
}

// instead has packet go on in place of the one at hand, unless err says that there is no such packet.
func (i *Inspector) instead(packet []byte, err error) *Verdict {
	switch {
	case err == nil:
		return i.up.replace(packet)
	case i.most(mqttio.MaxWhole) < mqttio.MaxWhole:
		return i.up.end(reason.BrokerPacketSize, err)
	}
	return i.up.end(reason.ControlPacketTooLarge, err)
}

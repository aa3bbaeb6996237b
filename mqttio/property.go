package mqttio

import (
	"encoding/binary"
	"iter"
)

// PropertyID names an MQTT 5 property, table 2-4.
type PropertyID byte

// The properties of MQTT 5.
const (
	PropPayloadFormat               PropertyID = 0x01
	PropMessageExpiry               PropertyID = 0x02
	PropContentType                 PropertyID = 0x03
	PropResponseTopic               PropertyID = 0x08
	PropCorrelationData             PropertyID = 0x09
	PropSubscriptionID              PropertyID = 0x0B
	PropSessionExpiry               PropertyID = 0x11
	PropAssignedClientID            PropertyID = 0x12
	PropServerKeepAlive             PropertyID = 0x13
	PropAuthMethod                  PropertyID = 0x15
	PropAuthData                    PropertyID = 0x16
	PropRequestProblemInfo          PropertyID = 0x17
	PropWillDelay                   PropertyID = 0x18
	PropRequestResponseInfo         PropertyID = 0x19
	PropResponseInfo                PropertyID = 0x1A
	PropServerReference             PropertyID = 0x1C
	PropReasonString                PropertyID = 0x1F
	PropReceiveMaximum              PropertyID = 0x21
	PropTopicAliasMaximum           PropertyID = 0x22
	PropTopicAlias                  PropertyID = 0x23
	PropMaximumQoS                  PropertyID = 0x24
	PropRetainAvailable             PropertyID = 0x25
	PropUser                        PropertyID = 0x26
	PropMaximumPacketSize           PropertyID = 0x27
	PropWildcardAvailable           PropertyID = 0x28
	PropSubscriptionAvailable       PropertyID = 0x29
	PropSharedSubscriptionAvailable PropertyID = 0x2A
)

// Property is a view of one property. Numbers of any width stand in Number, strings and binary data in Value, and a
// User Property has its name in Name and its value in Value.
type Property struct {
	ID          PropertyID
	Number      uint32
	Name, Value []byte
}

// Properties is the property block of an MQTT 5 packet without the length before it: a view, valid as long as the bytes
// of the packet. Empty in 3.x.
type Properties []byte

// All yields the properties in the order of the packet. It ends at the first that cannot be read, which in a packet
// that Check accepted up, and in every CONNECT and CONNACK that was parsed, does not happen.
func (p Properties) All() iter.Seq[Property] {
	return func(yield func(Property) bool) { p.each(yield) }
}

func (p Properties) each(yield func(Property) bool) {
	for len(p) > 0 {
		prop, rest, err := p.next()
		if err != nil || !yield(prop) {
			return
		}
		p = rest
	}
}

// Get returns the first property with the given id. User Properties and Subscription Identifiers can stand in a packet
// more than once: use All for them.
func (p Properties) Get(id PropertyID) (Property, bool) {
	for len(p) > 0 {
		prop, rest, err := p.next()
		if err != nil {
			break
		}
		if prop.ID == id {
			return prop, true
		}
		p = rest
	}
	return Property{}, false
}

// kind is how the value of a property is encoded.
type kind byte

const (
	unknown kind = iota
	oneByte
	twoBytes
	fourBytes
	varInt
	text
	data
	pair
)

// A propertyRule is what MQTT 5 says of one property. A number must lie between min and max.
type propertyRule struct {
	kind     kind
	packets  uint16 // bit t: may stand in packet type t, bit 0: in the properties of a will
	many     bool   // may stand there more than once
	min, max uint32
}

const (
	inWill        = 1 << 0
	inConnect     = 1 << TypeConnect
	inConnack     = 1 << TypeConnack
	inPublish     = 1 << TypePublish
	inSubscribe   = 1 << TypeSubscribe
	inDisconnect  = 1 << TypeDisconnect
	inAuth        = 1 << TypeAuth
	inAcks        = 1<<TypePuback | 1<<TypePubrec | 1<<TypePubrel | 1<<TypePubcomp | 1<<TypeSuback | 1<<TypeUnsuback
	inUnsubscribe = 1 << TypeUnsubscribe
	inMessage     = inPublish | inWill
	inConnecting  = inConnect | inConnack
	everywhere    = inMessage | inConnecting | inAcks | inSubscribe | inUnsubscribe | inDisconnect | inAuth

	max1, max16, max32 = 1, 1<<16 - 1, 1<<32 - 1
)

var propertyRules = [...]propertyRule{
	PropPayloadFormat:               {oneByte, inMessage, false, 0, max1},
	PropMessageExpiry:               {fourBytes, inMessage, false, 0, max32},
	PropContentType:                 {text, inMessage, false, 0, 0},
	PropResponseTopic:               {text, inMessage, false, 0, 0},
	PropCorrelationData:             {data, inMessage, false, 0, 0},
	PropSubscriptionID:              {varInt, inPublish | inSubscribe, false, 1, noLimit},
	PropSessionExpiry:               {fourBytes, inConnecting | inDisconnect, false, 0, max32},
	PropAssignedClientID:            {text, inConnack, false, 0, 0},
	PropServerKeepAlive:             {twoBytes, inConnack, false, 0, max16},
	PropAuthMethod:                  {text, inConnecting | inAuth, false, 0, 0},
	PropAuthData:                    {data, inConnecting | inAuth, false, 0, 0},
	PropRequestProblemInfo:          {oneByte, inConnect, false, 0, max1},
	PropWillDelay:                   {fourBytes, inWill, false, 0, max32},
	PropRequestResponseInfo:         {oneByte, inConnect, false, 0, max1},
	PropResponseInfo:                {text, inConnack, false, 0, 0},
	PropServerReference:             {text, inConnack | inDisconnect, false, 0, 0},
	PropReasonString:                {text, inConnack | inAcks | inDisconnect | inAuth, false, 0, 0},
	PropReceiveMaximum:              {twoBytes, inConnecting, false, 1, max16},
	PropTopicAliasMaximum:           {twoBytes, inConnecting, false, 0, max16},
	PropTopicAlias:                  {twoBytes, inPublish, false, 1, max16},
	PropMaximumQoS:                  {oneByte, inConnack, false, 0, max1},
	PropRetainAvailable:             {oneByte, inConnack, false, 0, max1},
	PropUser:                        {pair, everywhere, true, 0, 0},
	PropMaximumPacketSize:           {fourBytes, inConnecting, false, 1, max32},
	PropWildcardAvailable:           {oneByte, inConnack, false, 0, max1},
	PropSubscriptionAvailable:       {oneByte, inConnack, false, 0, max1},
	PropSharedSubscriptionAvailable: {oneByte, inConnack, false, 0, max1},
}

// next reads the first property of p, which must not be empty, and returns what follows it.
func (p Properties) next() (prop Property, rest Properties, err error) {
	if int(p[0]) >= len(propertyRules) {
		return prop, nil, errPropertyUnknown
	}
	prop.ID = PropertyID(p[0])
	b := p[1:]
	n := 0 // bytes of the value
	switch propertyRules[prop.ID].kind {
	case oneByte:
		if n = 1; len(b) >= n {
			prop.Number = uint32(b[0])
		}
	case twoBytes:
		if n = 2; len(b) >= n {
			prop.Number = uint32(binary.BigEndian.Uint16(b))
		}
	case fourBytes:
		if n = 4; len(b) >= n {
			prop.Number = binary.BigEndian.Uint32(b)
		}
	case varInt:
		value, used := varint(b)
		if used <= 0 {
			return prop, nil, errPropertyCut
		}
		prop.Number, n = uint32(value), used
	case text, data:
		prop.Value, n = field(b)
	case pair:
		prop.Name, n = field(b)
		if n <= len(b) {
			value, m := field(b[n:])
			prop.Value, n = value, n+m
		}
	default:
		return prop, nil, errPropertyUnknown
	}
	if n > len(b) {
		return prop, nil, errPropertyCut
	}
	return prop, b[n:], nil
}

// field reads a field with a two byte length before it, a string or binary data, at the start of b. It returns the bytes
// it takes, length included; if these are more than b has, the field is cut.
func field(b []byte) (value []byte, n int) {
	if len(b) < 2 {
		return nil, 2
	}
	n = 2 + int(binary.BigEndian.Uint16(b))
	if n > len(b) {
		return nil, n
	}
	return b[2:n:n], n
}

// properties reads a property block with its length at the start of b, and returns what follows it. Nothing inside the
// block is looked at.
func properties(b []byte) (p Properties, rest []byte, err error) {
	length, n := varint(b)
	if n <= 0 || length > len(b)-n {
		return nil, nil, errPropertyLength
	}
	end := n + length
	return b[n:end:end], b[end:], nil
}

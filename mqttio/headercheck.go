package mqttio

// A headRule is what the specifications say of the fixed header of one packet type.
type headRule struct {
	sent   uint8  // bit d: may travel in Direction d
	flags  uint16 // bit n: the flags may have the value n
	v3, v5 lengths
}

// lengths are the smallest and the largest Remaining Length of a packet type.
type lengths struct{ min, max int }

const (
	up   = 1 << Up
	down = 1 << Down

	flags0       = 1 << 0
	flags2       = 1 << 2
	flagsPublish = 1<<0 | 1<<1 | // QoS 0, with RETAIN or not
		1<<2 | 1<<3 | 1<<10 | 1<<11 | // QoS 1, with RETAIN, DUP, both
		1<<4 | 1<<5 | 1<<12 | 1<<13 // QoS 2

	noLimit = MaxPacketSize - 5
)

var headRules = [16]headRule{
	TypeConnect: {up, flags0, lengths{12, noLimit}, lengths{12, noLimit}},
	// A broker that knows only 3.1.1 answers an MQTT 5 CONNECT with the CONNACK of 3.1.1, two bytes.
	TypeConnack:     {down, flags0, lengths{2, 2}, lengths{2, noLimit}},
	TypePublish:     {up | down, flagsPublish, lengths{2, noLimit}, lengths{3, noLimit}},
	TypePuback:      {up | down, flags0, lengths{2, 2}, lengths{2, noLimit}},
	TypePubrec:      {up | down, flags0, lengths{2, 2}, lengths{2, noLimit}},
	TypePubrel:      {up | down, flags2, lengths{2, 2}, lengths{2, noLimit}},
	TypePubcomp:     {up | down, flags0, lengths{2, 2}, lengths{2, noLimit}},
	TypeSubscribe:   {up, flags2, lengths{2, noLimit}, lengths{3, noLimit}},
	TypeSuback:      {down, flags0, lengths{2, noLimit}, lengths{3, noLimit}},
	TypeUnsubscribe: {up, flags2, lengths{2, noLimit}, lengths{3, noLimit}},
	TypeUnsuback:    {down, flags0, lengths{2, 2}, lengths{3, noLimit}},
	TypePingreq:     {up, flags0, lengths{0, 0}, lengths{0, 0}},
	TypePingresp:    {down, flags0, lengths{0, 0}, lengths{0, 0}},
	// In 3.x only a device says DISCONNECT; wrongType knows.
	TypeDisconnect: {up | down, flags0, lengths{0, 0}, lengths{0, noLimit}},
	TypeAuth:       {up | down, flags0, lengths{0, 0}, lengths{0, noLimit}},
}

// CheckHeader checks what can be known from the fixed header alone: that the type exists in version v and may travel in
// direction d, the flags, the Remaining Length where the type bounds it, and for packets up in MQTT 5 that the Remaining
// Length is encoded in the fewest bytes. The error is an *Error.
func CheckHeader(h Header, v Version, d Direction) error {
	r := &headRules[h.First>>4]
	limits := &r.v5
	if v != V5 {
		limits = &r.v3
		if h.First >= byte(TypeDisconnect)<<4 && (d == Down || h.Type() == TypeAuth) {
			return wrongType(h, v)
		}
	}
	if r.sent>>d&1 == 0 {
		return wrongType(h, v)
	}
	if r.flags>>h.Flags()&1 == 0 {
		if err := wrongFlags(h, v); err != nil {
			return err
		}
	}
	if h.Remaining < limits.min || h.Remaining > limits.max {
		return errPacketLength
	}
	if h.Len > 2 && v == V5 && d == Up && h.Len-1 != varintLen(h.Remaining) {
		return errVarintLong
	}
	return nil
}

func wrongType(h Header, v Version) error {
	if t := h.Type(); t == 0 || t == TypeAuth && v != V5 {
		return errReservedType
	}
	return errDirection
}

// wrongFlags returns the error for flags that headRules does not allow, or nil where MQTT 3.1 allows more: there DUP
// marks any packet sent again, also SUBSCRIBE, UNSUBSCRIBE and PUBREL, and is without meaning in PUBLISH with QoS 0 (section 2.1); of
// the others it says that the flags are not used (sections 3.1 to 3.14).
func wrongFlags(h Header, v Version) error {
	switch {
	case h.Type() == TypePublish && h.QoS() == 3:
		return errQoS3
	case v == V31:
		return nil
	case h.Type() == TypePublish:
		return errDupQoS0
	}
	return flagErrors[h.Type()]
}

// plainFlags returns the first byte of a packet of MQTT 3.1 as 3.1.1 wants it. What it clears tells the reader nothing, and there are readers
// that refuse it. CONNECT stays as it is: the stream's version says nothing of its.
func plainFlags(first byte) byte {
	switch t := Type(first >> 4); {
	case t == TypePublish && first&6 != 0, t == TypeConnect:
		return first
	case t == TypePublish:
		return first &^ 8
	case t == TypePubrel, t == TypeSubscribe, t == TypeUnsubscribe:
		return byte(t)<<4 | 2
	default:
		return byte(t) << 4
	}
}

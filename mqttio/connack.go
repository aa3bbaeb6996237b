package mqttio

// Connack is a view of a CONNACK packet: its slices point into the packet and are valid as long as its bytes.
type Connack struct {
	SessionPresent bool
	Code           byte // return code of 3.x or reason code of MQTT 5; 0 is success in all

	// MQTT 5 only. A slice is nil if the broker did not send it.
	Properties         Properties
	HasServerKeepAlive bool
	ServerKeepAlive    uint16 // seconds, to be used in place of the device's
	HasSessionExpiry   bool
	SessionExpiry      uint32 // seconds, to be used in place of the device's
	AssignedClientID   []byte
	MaximumPacketSize  uint32 // 0 is no limit
	MaximumQoS         byte   // 2 if the broker did not say
	ReceiveMaximum     uint16 // 65535 if the broker did not say
	TopicAliasMaximum  uint16
	ReasonString       []byte
	ServerReference    []byte
}

// ParseConnack reads a whole CONNACK packet of version v. pkt begins with the fixed header; bytes after the packet are
// not looked at. It returns ErrShort if pkt ends inside the packet, an *Error for another packet or one whose parts
// reach beyond it. The two bytes of 3.1.1 are accepted as an answer to MQTT 5 too: that is how a broker that does not
// know MQTT 5 says so.
func ParseConnack(pkt []byte, v Version) (Connack, error) {
	h, err := ParseHeader(pkt)
	if err != nil {
		return Connack{}, err
	}
	if h.Type() != TypeConnack {
		return Connack{}, errNotConnack
	}
	if err := CheckHeader(h, v, Down); err != nil {
		return Connack{}, err
	}
	if len(pkt) < h.Size() {
		return Connack{}, ErrShort
	}
	b := pkt[h.Len:h.Size()]
	c := Connack{
		SessionPresent: b[0]&1 != 0 && v != V31, // in 3.1 the byte is reserved
		Code:           b[1],
		MaximumQoS:     2,
		ReceiveMaximum: max16,
	}
	if b = b[2:]; len(b) == 0 {
		return c, nil
	}
	p, rest, err := properties(b)
	if err != nil {
		return c, err
	}
	if len(rest) > 0 {
		return c, errTrailing
	}
	c.Properties = p
	err = c.readProperties()
	return c, err
}

func (c *Connack) readProperties() error {
	for p := c.Properties; len(p) > 0; {
		prop, rest, err := p.next()
		if err != nil {
			return err
		}
		p = rest
		switch prop.ID {
		case PropServerKeepAlive:
			c.HasServerKeepAlive, c.ServerKeepAlive = true, uint16(prop.Number)
		case PropSessionExpiry:
			c.HasSessionExpiry, c.SessionExpiry = true, prop.Number
		case PropAssignedClientID:
			c.AssignedClientID = prop.Value
		case PropMaximumPacketSize:
			c.MaximumPacketSize = prop.Number
		case PropMaximumQoS:
			c.MaximumQoS = byte(prop.Number)
		case PropReceiveMaximum:
			c.ReceiveMaximum = uint16(prop.Number)
		case PropTopicAliasMaximum:
			c.TopicAliasMaximum = uint16(prop.Number)
		case PropReasonString:
			c.ReasonString = prop.Value
		case PropServerReference:
			c.ServerReference = prop.Value
		}
	}
	return nil
}

package mqttio

// Disconnect is a view of a DISCONNECT packet. In 3.x it is empty.
type Disconnect struct {
	Code             byte // 0 is a normal disconnection, and what is meant if it is not sent
	Properties       Properties
	HasSessionExpiry bool
	SessionExpiry    uint32 // seconds
	ReasonString     []byte // nil if there is none
	ServerReference  []byte // nil if there is none
}

// ParseDisconnect reads a whole DISCONNECT packet, whose header is h. It checks only that the parts lie within the
// packet. It returns ErrShort if pkt ends inside the packet.
func ParseDisconnect(h Header, pkt []byte, v Version) (Disconnect, error) {
	b, err := body(h, pkt)
	if err != nil {
		return Disconnect{}, err
	}
	if v != V5 && len(b) > 0 {
		return Disconnect{}, errPacketLength
	}
	var d Disconnect
	if d.Code, d.Properties, err = codeAndProperties(b); err != nil {
		return d, err
	}
	for prop := range d.Properties.All() {
		switch prop.ID {
		case PropSessionExpiry:
			d.HasSessionExpiry, d.SessionExpiry = true, prop.Number
		case PropReasonString:
			d.ReasonString = prop.Value
		case PropServerReference:
			d.ServerReference = prop.Value
		}
	}
	return d, nil
}

func checkDisconnect(h Header, pkt []byte, v Version, d Direction) error {
	if d == Down {
		_, err := ParseDisconnect(h, pkt, v)
		return err
	}
	_, _, err := checkCodeAndProperties(pkt[h.Len:], TypeDisconnect)
	return err
}

func checkAuth(h Header, pkt []byte, d Direction) error {
	b := pkt[h.Len:]
	if d == Down {
		_, _, err := codeAndProperties(b)
		return err
	}
	if len(b) == 0 {
		return errCodeAuth // code 0, which only a broker says
	}
	_, found, err := checkCodeAndProperties(b, TypeAuth)
	if err == nil && !has(found, PropAuthMethod) {
		err = errAuthMethod
	}
	return err
}

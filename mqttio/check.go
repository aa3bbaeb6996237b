package mqttio

// Check checks a whole packet of version v, which travels in direction d. h is its header as ParseHeader returned it,
// pkt begins with the fixed header; bytes after the packet are not looked at. It returns ErrShort if pkt ends inside the
// packet, and otherwise nil or an *Error. It allocates nothing.
//
// Packets up are checked strictly, against all that the specifications say of a single packet. Packets down come from a
// broker the operator chose and are checked for what another reader of the stream relies on: type, direction, flags, and
// lengths that stay within the packet. Strings, identifiers, codes and properties pass as they are, save in CONNACK,
// whose properties must be readable.
//
// What takes more than one packet to see is not checked here: that CONNECT comes first and once, aliases and quotas
// against the limits the other side gave, identifiers in use.
func Check(h Header, pkt []byte, v Version, d Direction) error {
	if err := CheckHeader(h, v, d); err != nil {
		return err
	}
	if len(pkt) < h.Size() {
		return ErrShort
	}
	pkt = pkt[:h.Size()]
	switch h.Type() {
	case TypePublish:
		return checkPublish(h, pkt, v, d)
	case TypePuback, TypePubrec, TypePubrel, TypePubcomp:
		return checkAck(h, pkt, v, d)
	case TypeSubscribe:
		return checkSubscribe(h, pkt, v)
	case TypeUnsubscribe:
		return checkUnsubscribe(h, pkt, v)
	case TypeSuback, TypeUnsuback:
		_, err := ParseSuback(h, pkt, v)
		return err
	case TypeConnect:
		_, err := ParseConnect(pkt)
		return err
	case TypeConnack:
		_, err := ParseConnack(pkt, v)
		return err
	case TypeDisconnect:
		return checkDisconnect(h, pkt, v, d)
	case TypeAuth:
		return checkAuth(h, pkt, d)
	}
	return nil // PINGREQ and PINGRESP are their headers
}

// body returns the packet without its fixed header, or ErrShort if pkt ends inside the packet. h must be a valid header.
func body(h Header, pkt []byte) ([]byte, error) {
	if len(pkt) < h.Size() {
		return nil, ErrShort
	}
	return pkt[h.Len:h.Size()], nil
}

package mqttio

import (
	"encoding/binary"
	"iter"
)

// The parts of the subscription options byte. In 3.x there is only the QoS.
const (
	OptionQoS               = 3
	OptionNoLocal           = 1 << 2
	OptionRetainAsPublished = 1 << 3
	OptionRetainHandling    = 3 << 4
	optionReserved          = 3 << 6
)

// Subscribe is a view of a SUBSCRIBE packet: its slices point into the packet and are valid as long as its bytes.
type Subscribe struct {
	PacketID   uint16
	Properties Properties
	payload    []byte
}

// All yields every topic filter with its subscription options, in the order of the packet.
func (s Subscribe) All() iter.Seq2[[]byte, byte] {
	return func(yield func([]byte, byte) bool) { s.each(yield) }
}

func (s Subscribe) each(yield func([]byte, byte) bool) {
	for b := s.payload; len(b) > 0; {
		filter, n := field(b)
		if n >= len(b) || !yield(filter, b[n]) {
			return
		}
		b = b[n+1:]
	}
}

// ParseSubscribe reads a whole SUBSCRIBE packet, whose header is h. It checks that the parts lie within the packet and
// fill it, and that there is a topic filter. It returns ErrShort if pkt ends inside the packet.
func ParseSubscribe(h Header, pkt []byte, v Version) (Subscribe, error) {
	id, p, b, err := idAndProperties(h, pkt, v)
	if err != nil {
		return Subscribe{}, err
	}
	s := Subscribe{id, p, b}
	if len(b) == 0 {
		return s, errNoFilters
	}
	for len(b) > 0 {
		_, n := field(b)
		if n >= len(b) {
			return s, errFieldLength
		}
		b = b[n+1:]
	}
	return s, nil
}

// Unsubscribe is a view of an UNSUBSCRIBE packet: its slices point into the packet and are valid as long as its bytes.
type Unsubscribe struct {
	PacketID   uint16
	Properties Properties
	payload    []byte
}

// All yields every topic filter, in the order of the packet.
func (u Unsubscribe) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) { u.each(yield) }
}

func (u Unsubscribe) each(yield func([]byte) bool) {
	for b := u.payload; len(b) > 0; {
		filter, n := field(b)
		if n > len(b) || !yield(filter) {
			return
		}
		b = b[n:]
	}
}

// ParseUnsubscribe reads a whole UNSUBSCRIBE packet, whose header is h. It checks that the parts lie within the packet
// and fill it, and that there is a topic filter. It returns ErrShort if pkt ends inside the packet.
func ParseUnsubscribe(h Header, pkt []byte, v Version) (Unsubscribe, error) {
	id, p, b, err := idAndProperties(h, pkt, v)
	if err != nil {
		return Unsubscribe{}, err
	}
	u := Unsubscribe{id, p, b}
	if len(b) == 0 {
		return u, errNoUnsubFilters
	}
	for len(b) > 0 {
		_, n := field(b)
		if n > len(b) {
			return u, errFieldLength
		}
		b = b[n:]
	}
	return u, nil
}

// Suback is a view of a SUBACK or UNSUBACK packet: its slices point into the packet and are valid as long as its bytes.
type Suback struct {
	PacketID   uint16
	Properties Properties
	Codes      []byte // one for each topic filter; none in the UNSUBACK of 3.x
}

// ParseSuback reads a whole SUBACK or UNSUBACK packet, whose header is h. It checks only that the parts lie within the
// packet. It returns ErrShort if pkt ends inside the packet.
func ParseSuback(h Header, pkt []byte, v Version) (Suback, error) {
	id, p, b, err := idAndProperties(h, pkt, v)
	return Suback{id, p, b[:len(b):len(b)]}, err
}

// idAndProperties reads what SUBSCRIBE, UNSUBSCRIBE and their acknowledgements begin with, and returns what follows.
func idAndProperties(h Header, pkt []byte, v Version) (id uint16, p Properties, rest []byte, err error) {
	b, err := body(h, pkt)
	if err != nil {
		return 0, nil, nil, err
	}
	if len(b) < 2 {
		return 0, nil, nil, errPacketLength
	}
	id, b = binary.BigEndian.Uint16(b), b[2:]
	if v == V5 {
		p, b, err = properties(b)
	}
	return id, p, b, err
}

func checkSubscribe(h Header, pkt []byte, v Version) error {
	s, err := ParseSubscribe(h, pkt, v)
	if err != nil {
		return err
	}
	if err := checkRequest(h, pkt, v, s.PacketID); err != nil {
		return err
	}
	for filter, options := range s.All() {
		if err := checkTopicFilter(filter, v); err != nil {
			return err
		}
		if err := checkOptions(filter, options, v); err != nil {
			return err
		}
	}
	return nil
}

// checkOptions checks the subscription options byte: MQTT 5 section 3.8.3.1; in 3.x it is a QoS and nothing else.
func checkOptions(filter []byte, options byte, v Version) error {
	reserved := byte(optionReserved)
	if v != V5 {
		reserved = ^byte(OptionQoS)
	}
	switch {
	case options&reserved != 0:
		return errOptionsReserved
	case options&OptionQoS == 3:
		return errOptionsQoS
	case options&OptionRetainHandling == OptionRetainHandling:
		return errOptionsRetain
	case options&OptionNoLocal != 0 && isShared(filter):
		return errNoLocalShared
	}
	return nil
}

func checkUnsubscribe(h Header, pkt []byte, v Version) error {
	u, err := ParseUnsubscribe(h, pkt, v)
	if err != nil {
		return err
	}
	if err := checkRequest(h, pkt, v, u.PacketID); err != nil {
		return err
	}
	for filter := range u.All() {
		if err := checkTopicFilter(filter, v); err != nil {
			return err
		}
	}
	return nil
}

// checkRequest checks what SUBSCRIBE and UNSUBSCRIBE begin with.
func checkRequest(h Header, pkt []byte, v Version, id uint16) error {
	if id == 0 {
		return errPacketID
	}
	if v != V5 {
		return nil
	}
	_, _, err := checkBlock(pkt[h.Len+2:], h.Type())
	return err
}

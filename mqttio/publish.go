package mqttio

import "encoding/binary"

// Publish is a view of a PUBLISH packet: its slices point into the packet and are valid as long as its bytes.
type Publish struct {
	Topic      []byte // in MQTT 5 empty if a topic alias stands for it
	PacketID   uint16 // 0 with QoS 0
	QoS        byte
	Retain     bool
	Dup        bool
	Properties Properties
	Payload    []byte
}

// TopicAlias returns the topic alias, or 0 if there is none. It walks over the properties.
func (p Publish) TopicAlias() uint16 {
	alias, _ := p.Properties.Get(PropTopicAlias)
	return uint16(alias.Number)
}

// ParsePublish reads a whole PUBLISH packet, whose header is h. It checks only that the parts lie within the packet:
// Check checks the rest. It returns ErrShort if pkt ends inside the packet. It allocates nothing.
func ParsePublish(h Header, pkt []byte, v Version) (Publish, error) {
	b, err := body(h, pkt)
	if err != nil {
		return Publish{}, err
	}
	return parsePublish(h, b, v)
}

// ParsePublishHead reads the first part of a PUBLISH too large to hold, whose header is h, as ParsePublish reads the whole:
// Payload is what there is of it. It returns an error if topic, packet identifier and properties are not all in head.
func ParsePublishHead(h Header, head []byte, v Version) (Publish, error) {
	if len(head) < h.Len {
		return Publish{}, ErrShort
	}
	return parsePublish(h, head[h.Len:min(len(head), h.Size())], v)
}

func parsePublish(h Header, b []byte, v Version) (p Publish, err error) {
	p = Publish{QoS: h.QoS(), Retain: h.Retain(), Dup: h.Dup()}
	topic, n := field(b)
	if n > len(b) {
		return Publish{}, errFieldLength
	}
	p.Topic, b = topic, b[n:]
	if p.QoS > 0 {
		if len(b) < 2 {
			return Publish{}, errFieldLength
		}
		p.PacketID, b = binary.BigEndian.Uint16(b), b[2:]
	}
	if v == V5 {
		if p.Properties, b, err = properties(b); err != nil {
			return Publish{}, err
		}
	}
	p.Payload = b[:len(b):len(b)]
	return p, nil
}

// CheckPublishHead checks as much as head shows of a PUBLISH too large to hold, whose header is h; head begins with the
// fixed header. It needs the topic and, with QoS above 0, the packet identifier, at most 65,544 bytes, and returns
// ErrShort until they are complete. It checks them as Check does, save that an empty topic passes in MQTT 5: the
// properties, which may hold an alias for it, are not checked. n is the number of bytes it covers: fixed header, topic
// and packet identifier. It allocates nothing.
func CheckPublishHead(h Header, head []byte, v Version, d Direction) (n int, err error) {
	if err := CheckHeader(h, v, d); err != nil {
		return 0, err
	}
	if h.Type() != TypePublish {
		return 0, errNotPublish
	}
	return checkPublishHead(h, head, v, d)
}

func checkPublishHead(h Header, head []byte, v Version, d Direction) (n int, err error) {
	if len(head) < h.Len+2 {
		return 0, ErrShort
	}
	id := h.Len + 2 + int(binary.BigEndian.Uint16(head[h.Len:]))
	n = id
	if h.QoS() > 0 {
		n += 2
	}
	need := n
	if v == V5 {
		need++ // the shortest property block
	}
	switch {
	case need > h.Size():
		return 0, errFieldLength
	case n > len(head):
		return 0, ErrShort
	case d == Down:
		return n, nil
	}
	topic := head[h.Len+2 : id]
	if err := checkTopicName(topic); err != nil {
		return 0, err
	}
	if len(topic) == 0 && v != V5 {
		return 0, errTopicEmpty
	}
	if n > id && binary.BigEndian.Uint16(head[id:]) == 0 {
		return 0, errPacketID
	}
	return n, nil
}

// commonPublish recognizes the packet that most are: a whole PUBLISH of less than 16 KiB with an ASCII topic and, in MQTT 5, without
// properties. It proves in one pass what ParseHeader and Check prove, and returns the header. Of all other packets it says nothing.
func commonPublish(b []byte, v Version, d Direction) (h Header, ok bool) {
	if len(b) < 5 || v == 0 || b[0]>>4 != byte(TypePublish) || flagsPublish>>(b[0]&15)&1 == 0 {
		return h, false
	}
	h = Header{b[0], int(b[1]), 2}
	if b[1] >= 0x80 {
		h.Remaining, h.Len = int(b[1]&0x7F)|int(b[2])<<7, 3
		if b[2] == 0 || b[2] >= 0x80 {
			return h, false
		}
	}
	if len(b) < h.Size() || h.Remaining < 2 {
		return h, false
	}
	b = b[h.Len:h.Size()]
	topic := int(b[0])<<8 | int(b[1])
	n := 2 + topic
	if h.QoS() > 0 {
		n += 2
	}
	switch {
	case topic == 0 || n > len(b):
		return h, false
	case n > 2+topic && b[n-2]|b[n-1] == 0:
		return h, false
	case v == V5 && (n == len(b) || b[n] != 0):
		return h, false
	}
	return h, d == Down || plainTopicName(b[2:2+topic])
}

// CheckProperties checks the properties of a PUBLISH of version v up that ParsePublishHead has read, which CheckPublishHead does
// not look at. The error is an *Error.
func (p Publish) CheckProperties(v Version) error {
	if v != V5 {
		return nil
	}
	found, err := p.Properties.check(TypePublish)
	if err != nil {
		return err
	}
	return checkFound(found, len(p.Topic) == 0)
}

// checkFound checks which properties a PUBLISH up has.
func checkFound(found uint64, noTopic bool) error {
	switch {
	case has(found, PropSubscriptionID):
		return errUpSubscriptionID
	case noTopic && !has(found, PropTopicAlias):
		return errTopicNoAlias
	}
	return nil
}

func checkPublish(h Header, pkt []byte, v Version, d Direction) error {
	n, err := checkPublishHead(h, pkt, v, d)
	if err != nil || v != V5 {
		return err
	}
	if d == Down {
		_, _, err = properties(pkt[n:])
		return err
	}
	topic := n - h.Len - 2
	if h.QoS() > 0 {
		topic -= 2
	}
	if pkt[n] == 0 && topic > 0 {
		return nil // no properties
	}
	found, _, err := checkBlock(pkt[n:], TypePublish)
	if err != nil {
		return err
	}
	return checkFound(found, topic == 0)
}

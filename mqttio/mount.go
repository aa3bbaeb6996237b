package mqttio

import (
	"bytes"
	"encoding/binary"
)

// Mount is a prefix, such as "tenants/a/", that all topics of a device have at the broker and the device does not see. It ends
// with a slash. The empty one is no mount.
//
// A device behind a mount has no topics that begin with $: those are the broker's own, and stay out of its sight.
type Mount string

// Holds reports whether a topic of the device can be moved below the mount.
func (m Mount) Holds(topic []byte) bool {
	return m == "" || len(topic) > 0 && topic[0] != '$' && len(m)+len(topic) <= maxField
}

// HoldsFilter reports the same of a topic filter. In $share/name/filter it is the filter that is moved, in every version of MQTT.
func (m Mount) HoldsFilter(filter []byte) bool {
	share, rest := cutShare(filter)
	return m == "" || m.Holds(rest) && len(m)+len(filter) <= maxField && !bytes.ContainsAny(share, "+#")
}

// Device returns what the device calls a topic of the broker; false: it lies outside of the mount.
func (m Mount) Device(topic []byte) ([]byte, bool) {
	if m == "" {
		return topic, true
	}
	if len(topic) <= len(m) || string(topic[:len(m)]) != string(m) || topic[len(m)] == '$' {
		return nil, false
	}
	return topic[len(m):], true
}

// cutShare cuts "$share/name/" off a topic filter. share is empty if it does not begin so.
func cutShare(filter []byte) (share, rest []byte) {
	if !isShared(filter) {
		return nil, filter
	}
	const name = len("$share/")
	if n := bytes.IndexByte(filter[name:], '/'); n > 0 {
		return filter[:name+n+1], filter[name+n+1:]
	}
	return nil, filter
}

// nowhere is put in place of a topic filter that the mount does not hold: no device can have a subscription to it.
const nowhere = "$"

// appendFilter appends a topic filter below the mount, with its length.
func (m Mount) appendFilter(dst, filter []byte) []byte {
	if !m.HoldsFilter(filter) {
		filter = []byte(nowhere)
	}
	share, rest := cutShare(filter)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m)+len(filter)))
	return append(append(append(dst, share...), m...), rest...)
}

// appendTopic appends a topic below the mount, with its length.
func (m Mount) appendTopic(dst, topic []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m)+len(topic)))
	return append(append(dst, m...), topic...)
}

// PublishEdit is a PUBLISH, or the first part of one, under another topic, with its response topic moved alike.
type PublishEdit struct {
	Size int // of the whole packet with its fixed header

	mount     Mount
	down      bool
	first     byte
	remaining int
	prefix    Mount // of the topic
	topic     []byte
	q         *Publish
	version   Version
	block     int // bytes of the properties
}

// Up is the packet pkt, whose header is h and which q shows, as the broker is to see it. The mount must hold its topic, which
// may be empty where an alias stands for it, and its response topic.
func (m Mount) Up(h Header, pkt []byte, v Version, q *Publish) PublishEdit {
	e := PublishEdit{mount: m, first: h.First, topic: q.Topic, q: q, version: v}
	if len(q.Topic) > 0 {
		e.prefix = m
	}
	e.measure(h, pkt)
	return e
}

// Down is the packet as the device is to see it. Its topic, unless it is empty, must be below the mount. A response topic that
// is not is left out.
func (m Mount) Down(h Header, pkt []byte, v Version, q *Publish) PublishEdit {
	e := PublishEdit{mount: m, down: true, first: h.First, q: q, version: v}
	e.topic, _ = m.Device(q.Topic)
	e.measure(h, pkt)
	return e
}

// measure finds the sizes. pkt ends with the packet, or with what there is of it.
func (e *PublishEdit) measure(h Header, pkt []byte) {
	head := min(len(pkt), h.Size()) - len(e.q.Payload)
	e.remaining = 2 + len(e.prefix) + len(e.topic) + h.Size() - head
	if e.q.QoS > 0 {
		e.remaining += 2
	}
	if e.version == V5 {
		e.block = e.mount.propertiesSize(e.q.Properties, e.down)
		e.remaining += varintLen(e.block) + e.block
	}
	e.Size = 1 + varintLen(e.remaining) + e.remaining
}

// Append appends the packet, or its first part, to dst. Size must be one that a packet can have.
func (e *PublishEdit) Append(dst []byte) []byte {
	dst = appendVarint(append(dst, e.first), e.remaining)
	dst = e.prefix.appendTopic(dst, e.topic)
	if e.q.QoS > 0 {
		dst = binary.BigEndian.AppendUint16(dst, e.q.PacketID)
	}
	if e.version == V5 {
		dst = e.mount.appendProperties(appendVarint(dst, e.block), e.q.Properties, e.down)
	}
	return append(dst, e.q.Payload...)
}

// propertiesSize is how many bytes appendProperties appends.
func (m Mount) propertiesSize(p Properties, down bool) int {
	n := len(p)
	for prop := range p.All() {
		if prop.ID != PropResponseTopic {
			continue
		}
		switch _, inside := m.Device(prop.Value); {
		case !down:
			n += len(m)
		case inside:
			n -= len(m)
		default:
			n -= 3 + len(prop.Value)
		}
	}
	return n
}

// appendProperties appends the properties of a message with its response topic moved; down, one outside of the mount is left out.
func (m Mount) appendProperties(dst []byte, p Properties, down bool) []byte {
	for len(p) > 0 {
		prop, rest, err := p.next()
		if err != nil {
			return append(dst, p...) // as it came
		}
		topic, inside := m.Device(prop.Value)
		switch {
		case prop.ID != PropResponseTopic:
			dst = append(dst, p[:len(p)-len(rest)]...)
		case !down:
			dst = m.appendTopic(append(dst, byte(PropResponseTopic)), prop.Value)
		case inside:
			dst = Mount("").appendTopic(append(dst, byte(PropResponseTopic)), topic)
		}
		p = rest
	}
	return dst
}

// ResponseTopic returns the response topic of a message's properties; false: there is none. Where the properties cannot be read
// to their end, which only a broker's may be, the error says so.
func (p Properties) ResponseTopic() (topic []byte, ok bool, err error) {
	for len(p) > 0 {
		prop, rest, err := p.next()
		if err != nil {
			return nil, false, err
		}
		if prop.ID == PropResponseTopic {
			topic, ok = prop.Value, true
		}
		p = rest
	}
	return topic, ok, nil
}

// AppendSubscribe appends the SUBSCRIBE packet pkt, whose header is h and which ParseSubscribe has read, to dst, with those of
// its topic filters whose place in codes holds CodeOfBroker, below the mount, which must hold them. There must be at least one.
// The error is ErrTooLarge where that would be more than limit bytes; nothing is appended then.
func (m Mount) AppendSubscribe(dst []byte, h Header, pkt []byte, s Subscribe, codes []byte, limit int) ([]byte, error) {
	var filters []byte
	i := 0
	for filter, options := range s.All() {
		if codes[i] == CodeOfBroker {
			filters = append(m.appendFilter(filters, filter), options)
		}
		if i++; len(filters) > limit {
			return dst, ErrTooLarge
		}
	}
	return appendRequest(dst, h, pkt[h.Len:h.Size()-len(s.payload)], filters, limit)
}

// AppendUnsubscribe appends the UNSUBSCRIBE packet pkt, whose header is h and which ParseUnsubscribe has read, to dst, with its
// topic filters below the mount. In place of one that the mount does not hold stands one that no device can have subscribed to.
// The error is ErrTooLarge where that would be more than limit bytes; nothing is appended then.
func (m Mount) AppendUnsubscribe(dst []byte, h Header, pkt []byte, u Unsubscribe, limit int) ([]byte, error) {
	var filters []byte
	for filter := range u.All() {
		if filters = m.appendFilter(filters, filter); len(filters) > limit {
			return dst, ErrTooLarge
		}
	}
	return appendRequest(dst, h, pkt[h.Len:h.Size()-len(u.payload)], filters, limit)
}

// appendRequest appends a SUBSCRIBE or UNSUBSCRIBE: what stands before the filters, and these.
func appendRequest(dst []byte, h Header, head, filters []byte, limit int) ([]byte, error) {
	n := len(head) + len(filters)
	if 1+varintLen(n)+n > limit {
		return dst, ErrTooLarge
	}
	dst = appendVarint(append(dst, h.First), n)
	return append(append(dst, head...), filters...), nil
}

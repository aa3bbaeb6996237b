package mqttio

import (
	"encoding/binary"
	"errors"
)

// ConnectEdit says what [AppendConnect] changes in a CONNECT packet. The zero value changes nothing.
type ConnectEdit struct {
	// What to put in place of a field, or where it was not sent. Nil leaves the field as it is.
	ClientID, Username, Password *string
	// UserProperties are added, in MQTT 5. Those that the device sent under the same names are taken out: who reads them
	// behind the bridge must be able to rely on them. 3.x has no place for them.
	UserProperties []UserProperty
	// Mount is what the topic and the response topic of the will are moved below.
	Mount Mount
}

// UserProperty is a User Property of MQTT 5.
type UserProperty struct{ Name, Value string }

// What stands in the way of an edit.
var (
	ErrEditLength   = errors.New("field of CONNECT longer than 65535 bytes")
	ErrEditText     = errors.New("field of CONNECT that is not UTF-8, or has U+0000 in it")
	ErrEditWill     = errors.New("topic or response topic of the will that the mount point does not hold: too long, or beginning with $")
	ErrEditPassword = errors.New("password without user name, which MQTT 3.1 and 3.1.1 do not have [MQTT-3.1.2-22]")
)

const maxField = 1<<16 - 1

// AppendConnect appends the CONNECT packet pkt, of which ParseConnect made c, with the edit to dst. Every other byte stays as
// it is, but for the Remaining Length, which is written in its shortest form. dst and pkt must not overlap. The error is
// one of the ErrEdit ones, and then nothing was appended.
func AppendConnect(dst, pkt []byte, c *Connect, e *ConnectEdit) ([]byte, error) {
	if err := e.check(c); err != nil {
		return dst, err
	}
	variable := make([]byte, 0, len(pkt)+e.size())
	header := c.At.Level - len("MQTT") - 2
	if c.Version == V31 {
		header = c.At.Level - len("MQIsdp") - 2
	}
	variable = append(variable, pkt[header:c.At.Flags]...)
	variable = append(variable, e.flags(pkt[c.At.Flags], c))
	variable = append(variable, pkt[c.At.KeepAlive:c.At.Properties]...)
	variable = e.appendProperties(variable, pkt, c)
	variable = appendEdited(variable, e.ClientID, pkt[c.At.ClientID:c.At.Will])
	variable = e.appendWill(variable, pkt, c)
	variable = appendEdited(variable, e.Username, pkt[c.At.Username:c.At.Password])
	variable = appendEdited(variable, e.Password, pkt[c.At.Password:c.At.End])
	dst = appendVarint(append(dst, pkt[0]), len(variable))
	return append(dst, variable...), nil
}

func (e *ConnectEdit) check(c *Connect) error {
	for _, s := range []*string{e.ClientID, e.Username, e.Password} {
		switch {
		case s == nil:
		case len(*s) > maxField:
			return ErrEditLength
		case s != e.Password && checkString([]byte(*s)) != nil:
			return ErrEditText
		}
	}
	for _, p := range e.UserProperties {
		if len(p.Name) > maxField || len(p.Value) > maxField {
			return ErrEditLength
		}
		if checkString([]byte(p.Name)) != nil || checkString([]byte(p.Value)) != nil {
			return ErrEditText
		}
	}
	if c.Will && !e.holdsWill(c) {
		return ErrEditWill
	}
	if e.Password != nil && e.Username == nil && !c.HasUsername && c.Version != V5 {
		return ErrEditPassword
	}
	return nil
}

// size is how many bytes the edit adds at most.
func (e *ConnectEdit) size() int {
	n := 0
	for _, s := range []*string{e.ClientID, e.Username, e.Password} {
		if s != nil {
			n += 2 + len(*s)
		}
	}
	for _, p := range e.UserProperties {
		n += 5 + len(p.Name) + len(p.Value)
	}
	return n + 2*len(e.Mount) + 4 // the lengths may grow
}

// holdsWill reports whether the mount holds the topic and the response topic of the will.
func (e *ConnectEdit) holdsWill(c *Connect) bool {
	response, ok, _ := c.WillProperties.ResponseTopic()
	return e.Mount.Holds(c.WillTopic) && (!ok || e.Mount.Holds(response))
}

// appendWill appends the will with all that belongs to it, if there is one.
func (e *ConnectEdit) appendWill(dst, pkt []byte, c *Connect) []byte {
	if !c.Will || e.Mount == "" {
		return append(dst, pkt[c.At.Will:c.At.Username]...)
	}
	if c.Version == V5 {
		dst = appendVarint(dst, e.Mount.propertiesSize(c.WillProperties, false))
		dst = e.Mount.appendProperties(dst, c.WillProperties, false)
	}
	dst = e.Mount.appendTopic(dst, c.WillTopic)
	return append(dst, pkt[c.At.Username-2-len(c.WillPayload):c.At.Username]...)
}

// flags returns the connect flags. Those of MQTT 3.1 may promise what is not there; they are made true if anything is
// put behind.
func (e *ConnectEdit) flags(flags byte, c *Connect) byte {
	if e.Username == nil && e.Password == nil {
		return flags
	}
	flags &^= flagUsername | flagPassword
	if e.Username != nil || c.HasUsername {
		flags |= flagUsername
	}
	if e.Password != nil || c.HasPassword {
		flags |= flagPassword
	}
	return flags
}

// appendProperties appends the property block with its length, which only MQTT 5 has.
func (e *ConnectEdit) appendProperties(dst, pkt []byte, c *Connect) []byte {
	if c.Version != V5 || len(e.UserProperties) == 0 {
		return append(dst, pkt[c.At.Properties:c.At.ClientID]...)
	}
	block := make([]byte, 0, len(c.Properties)+e.size())
	for p := c.Properties; len(p) > 0; {
		prop, rest, err := p.next()
		if err != nil {
			break // ParseConnect would have said so
		}
		if prop.ID != PropUser || !e.names(prop.Name) {
			block = append(block, p[:len(p)-len(rest)]...)
		}
		p = rest
	}
	for _, p := range e.UserProperties {
		block = append(block, byte(PropUser))
		block = appendField(block, p.Name)
		block = appendField(block, p.Value)
	}
	return append(appendVarint(dst, len(block)), block...)
}

func (e *ConnectEdit) names(name []byte) bool {
	for _, p := range e.UserProperties {
		if string(name) == p.Name {
			return true
		}
	}
	return false
}

// appendEdited appends a field: the new value with its length, or what was there, which may be nothing.
func appendEdited(dst []byte, value *string, was []byte) []byte {
	if value == nil {
		return append(dst, was...)
	}
	return appendField(dst, *value)
}

func appendField(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// appendVarint appends a Variable Byte Integer, MQTT 5 section 1.5.5.
func appendVarint(dst []byte, n int) []byte {
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

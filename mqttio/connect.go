package mqttio

import "encoding/binary"

// Connect is a view of a CONNECT packet: its slices point into the packet and are valid as long as its bytes. Printing
// it prints the password.
type Connect struct {
	Version    Version // 0 if the packet does not say a known one
	Level      byte    // the protocol level as sent
	Answer     Version // the version to answer in, also where Version is 0; 0: no protocol name of MQTT was read
	Bridge     bool    // the upper bit of Level, by which a broker says that it connects as a bridge; 3.x only
	CleanStart bool    // in 3.x Clean Session
	KeepAlive  uint16  // seconds; 0 is none
	ClientID   []byte  // may be empty: in 3.1.1 that needs CleanStart, and the broker is to answer if it is not [MQTT-3.1.3-8]

	Will           bool
	WillQoS        byte
	WillRetain     bool
	WillProperties Properties
	WillTopic      []byte
	WillPayload    []byte

	HasUsername, HasPassword bool
	Username, Password       []byte

	// MQTT 5 only; in 3.x as if the properties were not sent.
	Properties         Properties
	SessionExpiry      uint32 // seconds; 0xFFFFFFFF is never
	ReceiveMaximum     uint16
	MaximumPacketSize  uint32 // 0 is no limit
	TopicAliasMaximum  uint16
	RequestProblemInfo bool
	AuthMethod         []byte // nil if there is none

	At ConnectOffsets
}

// ConnectOffsets are the places in a CONNECT packet where its fields begin, with the length before each. A field that is
// not sent has the place where it would stand.
type ConnectOffsets struct {
	Level, Flags, KeepAlive, Properties, ClientID, Will, Username, Password, End int
}

// The connect flags.
const (
	flagClean      = 1 << 1
	flagWill       = 1 << 2
	flagWillRetain = 1 << 5
	flagPassword   = 1 << 6
	flagUsername   = 1 << 7
)

// connectReader reads a CONNECT packet from left to right.
type connectReader struct {
	Connect
	flags byte
	pkt   []byte
	at    int
}

// ParseConnect reads and checks a whole CONNECT packet, of any version, without copying. pkt begins with the fixed
// header; bytes after the packet are not looked at. It returns ErrShort if pkt ends inside the packet, ErrNotConnect for
// another packet, and any other *Error for one the specifications do not allow. Version, Level and Answer are set as soon as
// they were read, also with an error: Answer says in which language it can be answered. In 3.x only ErrUnsupportedVersion
// has an answer, after any other error the connection is closed without CONNACK [MQTT-3.1.4-1].
//
// MQTT 3.1 allows what later versions do not: the reserved connect flag and the flags of the fixed header are not looked at, and a
// user name or password may be missing though its flag is set (MQTT 3.1 section 3.1).
func ParseConnect(pkt []byte) (Connect, error) {
	h, err := ParseHeader(pkt)
	if err != nil {
		return Connect{}, err
	}
	if h.Type() != TypeConnect {
		return Connect{}, ErrNotConnect
	}
	if h.Flags() != 0 && !begins31(pkt[h.Len:]) {
		return Connect{}, errFlags
	}
	if len(pkt) < h.Size() {
		return Connect{}, ErrShort
	}
	r := connectReader{pkt: pkt[:h.Size()], at: h.Len}
	err = r.read(h)
	return r.Connect, err
}

// begins31 reports whether b, behind a fixed header, is the beginning of an MQTT 3.1 CONNECT, as far as it goes.
func begins31(b []byte) bool {
	const name = "\x00\x06MQIsdp"
	return string(b[:min(len(b), len(name))]) == name[:min(len(b), len(name))]
}

func (r *connectReader) read(h Header) error {
	if err := r.readProtocol(); err != nil {
		return err
	}
	if err := CheckHeader(h, r.Version, Up); err != nil {
		return err
	}
	if err := r.readFlags(); err != nil {
		return err
	}
	if err := r.readProperties(); err != nil {
		return err
	}
	r.At.ClientID = r.at
	var ok bool
	if r.ClientID, ok = r.field(); !ok {
		return errNoClientID
	}
	if err := checkString(r.ClientID); err != nil {
		return err
	}
	r.At.Will = r.at
	if r.Will {
		if err := r.readWill(); err != nil {
			return err
		}
	}
	if err := r.readCredentials(); err != nil {
		return err
	}
	if r.At.End = r.at; r.at != len(r.pkt) {
		return errTrailing
	}
	return nil
}

// field reads a field with its length before it.
func (r *connectReader) field() ([]byte, bool) {
	value, n := field(r.pkt[r.at:])
	if n > len(r.pkt)-r.at {
		return nil, false
	}
	r.at += n
	return value, true
}

// readProtocol reads protocol name and level.
func (r *connectReader) readProtocol() error {
	name, ok := r.field()
	if !ok || r.at == len(r.pkt) {
		return errProtocolName
	}
	r.At.Level = r.at
	level := r.pkt[r.at]
	r.at++
	switch string(name) {
	case "MQTT":
		r.Level = level
		if v := Version(level &^ 0x80); v == V311 || level == byte(V5) {
			r.Version = v
		}
		if r.Answer = V311; level&^0x80 >= byte(V5) {
			r.Answer = V5
		}
	case "MQIsdp": // whose devices know no CONNACK but that of 3.x
		r.Level, r.Answer = level, V31
		if v := Version(level &^ 0x80); v == V31 {
			r.Version = v
		}
	default:
		return errProtocolName
	}
	if r.Version == 0 {
		return ErrUnsupportedVersion
	}
	r.Bridge = level&0x80 != 0
	return nil
}

func (r *connectReader) readFlags() error {
	r.At.Flags, r.At.KeepAlive = r.at, r.at+1
	f := r.pkt[r.at] // the three bytes are there: CheckHeader wants 12, and the longer name and the level take 9
	r.KeepAlive = binary.BigEndian.Uint16(r.pkt[r.at+1:])
	r.at += 3
	r.flags = f
	r.CleanStart = f&flagClean != 0
	r.Will = f&flagWill != 0
	r.WillQoS = f >> 3 & 3
	r.WillRetain = f&flagWillRetain != 0
	switch {
	case f&1 != 0 && r.Version != V31:
		return errConnectReserved
	case !r.Will && r.WillQoS != 0:
		return errWillQoSNoWill
	case !r.Will && r.WillRetain:
		return errWillRetainNoWill
	case r.WillQoS == 3:
		return errWillQoS3
	case f&flagPassword != 0 && f&flagUsername == 0 && r.Version != V5:
		return errPasswordNoUser
	}
	return nil
}

func (r *connectReader) readProperties() error {
	r.ReceiveMaximum, r.RequestProblemInfo = max16, true
	r.At.Properties = r.at
	if r.Version != V5 {
		return nil
	}
	p, found, err := r.properties(TypeConnect)
	if err != nil {
		return err
	}
	if has(found, PropAuthData) && !has(found, PropAuthMethod) {
		return errAuthData
	}
	r.Properties = p
	for len(p) > 0 {
		prop, rest, _ := p.next()
		p = rest
		switch prop.ID {
		case PropSessionExpiry:
			r.SessionExpiry = prop.Number
		case PropReceiveMaximum:
			r.ReceiveMaximum = uint16(prop.Number)
		case PropMaximumPacketSize:
			r.MaximumPacketSize = prop.Number
		case PropTopicAliasMaximum:
			r.TopicAliasMaximum = uint16(prop.Number)
		case PropRequestProblemInfo:
			r.RequestProblemInfo = prop.Number == 1
		case PropAuthMethod:
			r.AuthMethod = prop.Value
		}
	}
	return nil
}

// properties reads and checks a property block with its length.
func (r *connectReader) properties(t Type) (p Properties, found uint64, err error) {
	b := r.pkt[r.at:]
	if found, b, err = checkBlock(b, t); err != nil {
		return nil, 0, err
	}
	p, _, _ = properties(r.pkt[r.at:])
	r.at = len(r.pkt) - len(b)
	return p, found, nil
}

func (r *connectReader) readWill() (err error) {
	if r.Version == V5 {
		if r.WillProperties, _, err = r.properties(inTypeWill); err != nil {
			return err
		}
	}
	topic, ok := r.field()
	if !ok {
		return errNoWill
	}
	payload, ok := r.field()
	if !ok {
		return errNoWill
	}
	r.WillTopic, r.WillPayload = topic, payload
	if len(topic) == 0 {
		return errTopicEmpty
	}
	return checkTopicName(topic)
}

func (r *connectReader) readCredentials() error {
	r.At.Username = r.at
	if r.flags&flagUsername != 0 && !r.leftOut() {
		username, ok := r.field()
		if !ok {
			return errNoUsername
		}
		if err := checkString(username); err != nil {
			return err
		}
		r.HasUsername, r.Username = true, username
	}
	r.At.Password = r.at
	if r.flags&flagPassword != 0 && !r.leftOut() {
		password, ok := r.field()
		if !ok {
			return errNoPassword
		}
		r.HasPassword, r.Password = true, password
	}
	return nil
}

// leftOut reports whether a field whose flag is set is missing as MQTT 3.1 allows: "the Remaining Length field from the
// fixed header takes precedence over the User Name flag".
func (r *connectReader) leftOut() bool { return r.Version == V31 && r.at == len(r.pkt) }

package mqttio

import "errors"

// ErrShort says that the bytes given end before what was to be read: more are needed. It is not an error of the packet.
var ErrShort = errors.New("mqtt packet incomplete")

// Error is a violation of the MQTT specifications found in a packet. Every Error is allocated once, at start:
// compare them by pointer.
type Error struct {
	// Code is the MQTT 5 reason code that names the violation best: 0x81 malformed packet, 0x82 protocol error,
	// 0x84 unsupported protocol version, 0x8F topic filter invalid, 0x90 topic name invalid, 0x94 topic alias invalid.
	// All but 0x84 may stand in a DISCONNECT.
	Code byte
	// Statement is where the MQTT 5 specification says so: a statement number such as "MQTT-3.3.2-2", or a section
	// such as "section 2.1.4" for what has no number.
	Statement string
	// Statement311 is the same in the MQTT 3.1.1 specification, if it differs. Empty otherwise.
	Statement311 string
	// Text says what is wrong, for people. It holds nothing out of the packet.
	Text string
}

// Error returns the text and the statement.
func (e *Error) Error() string {
	if e.Statement311 != "" && e.Statement311 != e.Statement {
		return e.Text + " [" + e.Statement + "; in 3.1.1 " + e.Statement311 + "]"
	}
	return e.Text + " [" + e.Statement + "]"
}

const (
	malformed    = 0x81
	protocol     = 0x82
	badVersion   = 0x84
	badFilter    = 0x8F
	badTopicName = 0x90
	badAlias     = 0x94
)

// ErrUnsupportedVersion is returned by ParseConnect for a protocol name that is MQTT's with a level unknown for it. In
// 3.1.1 the answer is CONNACK 0x01 [MQTT-3.1.2-2], in MQTT 5 CONNACK 0x84.
var ErrUnsupportedVersion error = &Error{badVersion, "MQTT-3.1.2-2", "", "unsupported protocol version"}

// ErrNotConnect is returned by ParseConnect for any other packet.
var ErrNotConnect error = &Error{protocol, "MQTT-3.1.0-1", "", "first packet is not CONNECT"}

// Fixed header.
var (
	errRemainingLength error = &Error{malformed, "section 1.5.5", "section 2.2.3", "remaining length of more than four bytes"}
	errReservedType    error = &Error{malformed, "section 2.1.2", "section 2.2.1", "reserved packet type"}
	errDirection       error = &Error{protocol, "section 2.1.2", "section 2.2.1", "packet type sent in the wrong direction"}
	errQoS3            error = &Error{malformed, "MQTT-3.3.1-4", "", "PUBLISH with QoS 3"}
	errDupQoS0         error = &Error{protocol, "MQTT-3.3.1-2", "", "PUBLISH with DUP and QoS 0"}
	errPacketLength    error = &Error{malformed, "section 2.1.4", "section 2.2.3", "remaining length does not fit the packet type"}
	errVarintLong      error = &Error{malformed, "MQTT-1.5.5-1", "", "length encoded in more bytes than needed"}
	errFlags           error = &Error{malformed, "MQTT-2.1.3-1", "MQTT-2.2.2-2", "reserved flags in the fixed header"}
	errFlagsPubrel     error = &Error{malformed, "MQTT-3.6.1-1", "", "wrong flags in the fixed header of PUBREL"}
	errFlagsSubscribe  error = &Error{malformed, "MQTT-3.8.1-1", "", "wrong flags in the fixed header of SUBSCRIBE"}
	errFlagsUnsub      error = &Error{malformed, "MQTT-3.10.1-1", "", "wrong flags in the fixed header of UNSUBSCRIBE"}
	errFlagsDisconnect error = &Error{malformed, "MQTT-3.14.1-1", "", "reserved flags in the fixed header of DISCONNECT"}
	errFlagsAuth       error = &Error{malformed, "MQTT-3.15.1-1", "", "reserved flags in the fixed header of AUTH"}
)

var flagErrors = [16]error{
	TypeConnect: errFlags, TypeConnack: errFlags, TypePuback: errFlags, TypePubrec: errFlags,
	TypePubrel: errFlagsPubrel, TypePubcomp: errFlags, TypeSubscribe: errFlagsSubscribe, TypeSuback: errFlags,
	TypeUnsubscribe: errFlagsUnsub, TypeUnsuback: errFlags, TypePingreq: errFlags, TypePingresp: errFlags,
	TypeDisconnect: errFlagsDisconnect, TypeAuth: errFlagsAuth,
}

// Strings and topics.
var (
	errFieldLength   error = &Error{malformed, "section 1.5.4", "section 1.5.3", "field reaches beyond the packet"}
	errUTF8          error = &Error{malformed, "MQTT-1.5.4-1", "MQTT-1.5.3-1", "string is not well-formed UTF-8"}
	errNUL           error = &Error{malformed, "MQTT-1.5.4-2", "MQTT-1.5.3-2", "string with the character U+0000"}
	errTopicEmpty    error = &Error{protocol, "MQTT-4.7.3-1", "", "empty topic name"}
	errTopicWildcard error = &Error{badTopicName, "MQTT-3.3.2-2", "", "topic name with a wildcard"}
	errFilterEmpty   error = &Error{badFilter, "MQTT-4.7.3-1", "", "empty topic filter"}
	errFilterHash    error = &Error{badFilter, "MQTT-4.7.1-1", "MQTT-4.7.1-2", "topic filter with # that is not a whole last level"}
	errFilterPlus    error = &Error{badFilter, "MQTT-4.7.1-2", "MQTT-4.7.1-3", "topic filter with + that is not a whole level"}
	errShareName     error = &Error{badFilter, "MQTT-4.8.2-1", "", "shared subscription without a share name"}
	errShareFilter   error = &Error{badFilter, "MQTT-4.8.2-2", "", "shared subscription with a wildcard in its share name, or no topic filter"}
)

// Packets other than CONNECT.
var (
	errPacketID         error = &Error{protocol, "MQTT-2.2.1-3", "MQTT-2.3.1-1", "packet identifier 0"}
	errAckPacketID      error = &Error{protocol, "MQTT-2.2.1-5", "MQTT-2.3.1-6", "acknowledgement with packet identifier 0"}
	errTrailing         error = &Error{malformed, "section 2.1.4", "section 2.2.3", "bytes left after the last field"}
	errNoFilters        error = &Error{protocol, "MQTT-3.8.3-2", "MQTT-3.8.3-3", "SUBSCRIBE without a topic filter"}
	errNoUnsubFilters   error = &Error{protocol, "MQTT-3.10.3-2", "", "UNSUBSCRIBE without a topic filter"}
	errOptionsReserved  error = &Error{malformed, "MQTT-3.8.3-5", "MQTT-3-8.3-4", "reserved bits in subscription options"}
	errOptionsQoS       error = &Error{protocol, "section 3.8.3.1", "MQTT-3-8.3-4", "subscription with QoS 3"}
	errOptionsRetain    error = &Error{protocol, "section 3.8.3.1", "", "subscription with retain handling 3"}
	errNoLocalShared    error = &Error{protocol, "MQTT-3.8.3-4", "", "no local on a shared subscription"}
	errCodePuback       error = &Error{malformed, "MQTT-3.4.2-1", "", "reason code that PUBACK does not have"}
	errCodePubrec       error = &Error{malformed, "MQTT-3.5.2-1", "", "reason code that PUBREC does not have"}
	errCodePubrel       error = &Error{malformed, "MQTT-3.6.2-1", "", "reason code that PUBREL does not have"}
	errCodePubcomp      error = &Error{malformed, "MQTT-3.7.2-1", "", "reason code that PUBCOMP does not have"}
	errCodeDisconnect   error = &Error{malformed, "MQTT-3.14.2-1", "", "reason code that DISCONNECT does not have"}
	errCodeAuth         error = &Error{malformed, "MQTT-3.15.2-1", "", "reason code that a device's AUTH does not have"}
	errAuthMethod       error = &Error{protocol, "section 3.15.2.2.2", "", "AUTH without authentication method"}
	errNotPublish       error = &Error{protocol, "section 3.3", "", "not a PUBLISH"}
	errTopicNoAlias     error = &Error{protocol, "section 3.3.2.1", "MQTT-4.7.3-1", "empty topic name without topic alias"}
	errUpSubscriptionID error = &Error{protocol, "MQTT-3.3.4-6", "", "PUBLISH from a device with subscription identifier"}
)

// Properties, MQTT 5 only.
var (
	errPropertyLength  error = &Error{malformed, "section 2.2.2.1", "", "property length reaches beyond the packet"}
	errPropertyCut     error = &Error{malformed, "section 2.2.2.2", "", "property reaches beyond the property length"}
	errPropertyUnknown error = &Error{malformed, "section 2.2.2.2", "", "unknown property"}
	errPropertyPacket  error = &Error{malformed, "section 2.2.2.2", "", "property does not belong in this packet type"}
	errPropertyTwice   error = &Error{protocol, "section 2.2.2.2", "", "property given twice"}
	errPropertyValue   error = &Error{protocol, "section 2.2.2.2", "", "property with a value it must not have"}
	errResponseTopic   error = &Error{protocol, "MQTT-3.3.2-14", "", "response topic with a wildcard"}
	errTopicAlias0     error = &Error{badAlias, "MQTT-3.3.2-8", "", "topic alias 0"}
	errAuthData        error = &Error{protocol, "section 3.1.2.11.10", "", "authentication data without authentication method"}
)

// CONNECT and CONNACK.
var (
	errNotConnack       error = &Error{protocol, "MQTT-3.2.0-1", "", "first packet from the broker is not CONNACK"}
	errProtocolName     error = &Error{protocol, "MQTT-3.1.2-1", "", "protocol name is not MQTT's"}
	errConnectReserved  error = &Error{malformed, "MQTT-3.1.2-3", "", "reserved flag in CONNECT"}
	errWillQoSNoWill    error = &Error{malformed, "MQTT-3.1.2-11", "MQTT-3.1.2-13", "will QoS without will"}
	errWillRetainNoWill error = &Error{malformed, "MQTT-3.1.2-13", "MQTT-3.1.2-15", "will retain without will"}
	errWillQoS3         error = &Error{malformed, "MQTT-3.1.2-12", "MQTT-3.1.2-14", "will with QoS 3"}
	errPasswordNoUser   error = &Error{protocol, "section 3.1.2.9", "MQTT-3.1.2-22", "password without user name"}
	errNoClientID       error = &Error{malformed, "MQTT-3.1.3-3", "", "CONNECT without client identifier"}
	errNoWill           error = &Error{malformed, "MQTT-3.1.2-9", "", "CONNECT ends before its will"}
	errNoUsername       error = &Error{malformed, "MQTT-3.1.2-17", "MQTT-3.1.2-19", "CONNECT ends before its user name"}
	errNoPassword       error = &Error{malformed, "MQTT-3.1.2-19", "MQTT-3.1.2-21", "CONNECT ends before its password"}
)

package mqttio

// Version is an MQTT protocol version, with the value of the protocol level in CONNECT. The zero Version is none:
// no CONNECT has been read yet.
type Version byte

// The versions this package reads.
const (
	V31  Version = 3
	V311 Version = 4
	V5   Version = 5
)

// String returns the version as people write it: "3.1", "3.1.1" or "5".
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5"
	}
	return "unknown"
}

// Direction says which way a packet travels.
type Direction byte

// Up is from the device to the broker, Down from the broker to the device.
const (
	Up Direction = iota
	Down
)

// String returns "up" or "down".
func (d Direction) String() string {
	if d == Down {
		return "down"
	}
	return "up"
}

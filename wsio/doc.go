// Package wsio turns a device's WebSocket into bytes.
//
// A [Handler] answers every HTTP request with either a small plain error or one 101 response, following the handshake
// rules H1 to H15 that real MQTT devices need. What it hands on is a [Conn]: a net.Conn whose Read returns the payload
// of the device's binary frames as one byte stream, however the device cut it, and whose [Conn.WriteFrames] sends each
// packet as one complete binary frame.
//
// The handshake itself is github.com/coder/websocket's. Frames are read and written here, in place in the caller's
// buffer: devices need tolerances that the library rightly does not have (unmasked pongs, close code 12592), and a
// session must own no buffer of its own while it is idle. docs/decisions/0002-frames-in-wsio.md says how that was decided;
// the library stays the oracle of the differential fuzz test.
//
// wsio knows nothing of MQTT. It imports none of the bridge's packages.
package wsio

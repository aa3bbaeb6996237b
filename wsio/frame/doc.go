// Package frame reads and writes the frames of a device's open WebSocket.
//
// A [Conn] is a net.Conn whose Read returns the payload of the device's binary frames as one byte stream, however the device cut it, and
// whose [Conn.WriteFrames] sends each packet as one complete binary frame.
//
// Frames are decoded and built in place in the caller's buffer. Devices need tolerances that github.com/coder/websocket rightly does not
// have (unmasked pongs, close code 12592), and an idle session must own no buffer; docs/decisions/0002-frames-in-wsio.md has the reasons.
// The library remains the oracle of the differential fuzz test.
//
// Read conn.go first, then decode.go for the way up and write.go for the way down.
package frame

// Package leg is one end of a session, and the only way to write to it.
//
// Two write to an end: the pump that passes the packets of the other end on, in runs of whole packets or parts of a long one, and the
// bridge itself, which answers in the place of the other end. A [Leg] keeps packets whole, lets the bridge's own packets go in their order,
// none before the acknowledgements that MQTT wants before it, and lets nothing follow the last packet.
//
// It knows no session and decides nothing.
package leg

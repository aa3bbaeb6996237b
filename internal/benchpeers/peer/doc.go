// Package peer starts what the benchmark compares: the bridge's own binary, HAProxy, nginx and the naive bridge.
//
// All get the same processors and the same certificate, and none writes a line for each connection. HAProxy in http mode and
// nginx pass WebSocket bytes through unread to an upstream that speaks WebSocket; the bridge and the naive one take the frames off for
// an upstream that speaks MQTT over TCP.
package peer

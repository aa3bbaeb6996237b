// Package wsio turns a device's WebSocket into bytes. It has no code of its own: its parts are packages that can be read one by one, and
// its tests go through all of them.
//
//   - [mqtt-ws-bridge/wsio/listener]: from accept to a whole request. The gate that shares the slots between addresses, PROXY headers, TLS
//     and peers that speak something else.
//   - [mqtt-ws-bridge/wsio/handshake]: from the request to 101 or to a small plain error, by the rules H1 to H15 that real devices need.
//   - [mqtt-ws-bridge/wsio/frame]: the open WebSocket as a net.Conn of the bytes in its binary frames.
//   - [mqtt-ws-bridge/wsio/refusal]: the causes and answers that they share.
//   - [mqtt-ws-bridge/wsio/tlsrecords]: many TLS records in one read.
//
// handshake imports listener and frame, which import neither it nor each other. None knows MQTT or imports a package of the bridge.
package wsio

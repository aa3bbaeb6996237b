// Package realclients runs real MQTT client libraries through the bridge to a real Mosquitto.
//
// Every row is one library with one version of MQTT over one transport; every row does the same scenarios. The library runs
// in a process (or a browser page) of its own and is told what to do line by line (protocol.go), so that a device can
// die as devices do: killed in the middle, saying nothing. The other side of every scenario is watched by an observer that
// knows no WebSocket, connected to the broker over plain TCP, and by the broker's own log.
//
// The tests of identities (identity_test.go, rotation_test.go) have the same libraries prove who they are, to a bridge in front of
// a broker that knows no device.
//
//	go test ./internal/realclients            every row
//	go test ./internal/realclients -update    ... and the table in docs/devices.md from what ran
//	go test ./internal/realclients -direct    the same against Mosquitto's own WebSocket listener: is it the bridge or the client?
package realclients

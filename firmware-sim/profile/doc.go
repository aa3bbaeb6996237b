// Package profile holds what is known of real MQTT-over-WebSocket client libraries: how each asks for the upgrade and
// reads the answer, how it cuts packets into frames, what it can receive, how it answers pings, closes, keeps alive and
// comes back. Profiles are tables; the device engine and the endpoint check both work from them, so a limit is written
// down once. The facts and their sources are in docs/devices.md.
package profile

// Package mosquitto runs a real Mosquitto for a test: its own configuration, its own ports, its log at hand.
//
// The log is the broker's own account of what reached it, and with that the second witness of every test of the bridge:
// WaitFor and Count look at its lines ("New client connected", "Received DISCONNECT from", "Client x closed its connection").
// When the test fails, the log is shown.
package mosquitto

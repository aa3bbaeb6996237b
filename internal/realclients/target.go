package realclients

import (
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/mosquitto"
)

// Target is where the devices connect to, and the broker behind it.
type Target struct {
	WS, WSS string // URLs with path
	// Authority signed the certificate that WSS shows, Leaf.
	Authority *certs.Authority
	Leaf      certs.Pair

	Broker *mosquitto.Broker
	// Name says what stands between the devices and the broker.
	Name string
}

// ThroughBridge is the bridge's own program before a Mosquitto.
func ThroughBridge(t testing.TB) Target {
	t.Helper()
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: bridgeproc.Build(t), Upstream: "tcp://" + broker.TCP, TLS: true,
	})
	return Target{
		WS: bridge.WS + "/mqtt", WSS: bridge.WSS + "/mqtt", Authority: bridge.Authority, Leaf: bridge.Leaf,
		Broker: broker, Name: "mqtt-ws-bridge",
	}
}

// Direct is Mosquitto's own WebSocket listener, with no bridge: what fails here too is not the bridge's fault.
func Direct(t testing.TB) Target {
	t.Helper()
	broker := mosquitto.Start(t, mosquitto.Options{WebSocket: true, WSS: true})
	return Target{
		WS: "ws://" + broker.WebSocket + "/mqtt", WSS: "wss://" + broker.WSS + "/mqtt",
		Authority: broker.Authority, Leaf: broker.Leaf,
		Broker: broker, Name: "Mosquitto's own listener",
	}
}

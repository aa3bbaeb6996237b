package peer

import (
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMosquittoAlwaysStarts: with a port that was free at one address only, one start in some dozens failed.
func TestMosquittoAlwaysStarts(t *testing.T) {
	Install(t)
	ca := certs.New(t)
	pair := ca.Server(t, "peer.test")
	for range 10 {
		Mosquitto().Start(t, "", pair).Stop()
	}
}

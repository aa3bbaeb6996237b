package fleet_test

import (
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
)

// The library pings as soon as it is connected, while it subscribes and publishes: no packet may get into another.
func TestLibraryDevicesKeepTheirConnections(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "autopaho-linux-arm", 48)
	c.Commands, c.Rate, c.Messages = 20, 20, 10
	c.Device.Impair = impair.Spec{Stall: 5 * time.Millisecond, StallP: 1} // writes that take their time meet each other
	r := run(t, c)
	if p := r.Profiles[0]; !r.Clean || p.Losses != 0 || p.Failures != 0 || p.Connects != 48 {
		t.Errorf("broken: %s, %d connects, %d lost: %v", bad(r), p.Connects, p.Losses, p.Errors)
	}
}

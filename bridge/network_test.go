package bridge_test

import (
	"testing"

	"mqtt-ws-bridge/bridge"
)

func TestNeighbors(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1:4000", true},
		{"192.0.2.1:1", "::ffff:192.0.2.1", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"[2001:db8:0:1::1]:1", "2001:db8:0:ffff::2", true},
		{"2001:db8::1", "2001:db8:1::1", false},
		{"@", "/run/bridge.sock", true},
		{"@", "192.0.2.1", false},
	} {
		if a, b := bridge.Neighbors(tt.a), bridge.Neighbors(tt.b); (a == b) != tt.same {
			t.Errorf("%s is in %q, %s in %q", tt.a, a, tt.b, b)
		}
	}
}

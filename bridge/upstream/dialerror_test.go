package upstream_test

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/loopback"
)

// TestDialErrorsSayItOnce: an operator reads the broker's address once, and the cause.
func TestDialErrorsSayItOnce(t *testing.T) {
	closed := loopback.Address(t, loopback.Host())
	for url, want := range map[string]string{
		"tcp://" + closed:                 "dial tcp://" + closed + ": connect: connection refused",
		"tls://" + closed:                 "dial tls://" + closed + ": connect: connection refused",
		"ws://" + closed + "/mqtt":        "dial ws://" + closed + "/mqtt: open WebSocket: connect: connection refused",
		"unix://" + t.TempDir() + "/none": "connect: no such file or directory",
		"tcp://no-such-host.invalid:1883": "dial tcp://no-such-host.invalid:1883: lookup no-such-host.invalid",
	} {
		_, err := newPool(t, new(lines), nil, parse(t, url)).Dial(t.Context(), bridge.DeviceInfo{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "dial ") != 1 || strings.Contains(err.Error(), "\n") {
			t.Errorf("says %q, want %q", err, want)
		}
		if strings.Contains(want, "refused") && !errors.Is(err, syscall.ECONNREFUSED) || strings.Contains(want, "lookup") && !errors.As(err, new(*net.DNSError)) {
			t.Errorf("the cause of %q cannot be found", err)
		}
	}
}

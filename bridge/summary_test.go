package bridge_test

import (
	"testing"

	"mqtt-ws-bridge/bridge"
)

// TestStrangersTextInLogs: nothing of it commands a terminal or turns a line around (attack 42). What JSON escapes stays.
func TestStrangersTextInLogs(t *testing.T) {
	r := newRig(t, nil)
	for text, want := range map[string]string{
		"pump\r\n\x1b[2J":  "pump\r\n\x1b[2J",
		"\u009b31m\u007f":  "\uFFFD31m\uFFFD",
		"\u202egnp\u2028x": "\uFFFDgnp\uFFFDx",
		"\xff\xfePumpe-Ä7": "\uFFFDPumpe-Ä7",
	} {
		r.bridge.Refused(bridge.ReasonPath, "192.0.2.1:1", text)
		lines := r.log.ends(t)
		if got := lines[len(lines)-1]["user_agent"]; got != want {
			t.Errorf("%q is logged as %q, want %q", text, got, want)
		}
	}
}

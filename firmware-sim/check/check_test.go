package check_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/check"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run checks with the patience given: step for what must come, quiet for what must not.
func run(t *testing.T, url string, step, quiet time.Duration, only ...string) []check.Outcome {
	t.Helper()
	e, err := wire.NewEndpoint(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := check.Run(context.Background(), check.Config{Endpoint: e, Prefix: "t", Step: step, Quiet: quiet, Parallel: 16, Seed: 1, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryAssertionHoldsOnARightEndpoint(t *testing.T) {
	for _, o := range run(t, faulty.Start(t).URL, time.Minute, 200*time.Millisecond) { // everything comes, on a slow machine late
		if o.Status != check.Pass {
			t.Errorf("%s: %s (%s)", o.ID, o.Status, o.Seen)
		}
	}
}

// reds says which fault turns each assertion red.
var reds = map[string][]string{
	"101-accepted": {"http-1.0"}, "101-size": {"long-101"}, "101-single-write": {"101-in-pieces"}, "101-nothing-after": {"speaks-first"},
	"101-header-form": {"odd-upgrade"}, "101-accept": {"wrong-accept"}, "echo-mqtt": {"no-echo"}, "echo-casing": {"lower-case-echo"},
	"echo-mqttv3.1": {"no-mqttv3.1"}, "echo-list": {"no-lists"}, "echo-list-reversed": {"first-of-list-only"},
	"no-subprotocol-invented": {"invents-subprotocol"}, "no-extensions-unasked": {"extension-forced"},
	"no-extensions-offered": {"extension-taken"}, "origin-file": {"no-file-origin"}, "origin-url": {"no-url-origin"},
	"host-localhost": {"no-localhost"}, "host-without-port": {"no-bare-host"}, "host-443": {"no-443"}, "long-query": {"short-query"},
	"path-root": {"no-root"}, "path-mqtt": {"no-mqtt-path"}, "error-size": {"long-errors"}, "error-close": {"errors-keep-alive"},
	"error-no-redirect": {"any-path"}, "version-426": {"any-version"}, "key-400": {"any-key"}, "not-an-upgrade": {"any-get"},
	"one-packet-per-frame": {"coalesces"}, "no-text-down": {"text-down"}, "no-empty-frame": {"empty-down"},
	"no-continuation": {"fragments-down"}, "not-masked": {"masked-down"}, "large-intact": {"corrupts"},
	"frame-single-write": {"header-apart"}, "no-ping": {"pings"}, "order-kept": {"reorders"},
	"up-split": {"no-split"}, "up-one-byte-frames": {"no-one-byte-frames"}, "up-empty-frames": {"no-empty-frames"},
	"up-fragments": {"no-fragments"}, "up-empty-fragments": {"no-empty-fragments"},
	"up-ping-between-fragments": {"no-ping-between-fragments"}, "up-coalesced": {"no-coalesced"}, "up-pipelined": {"no-pipelining"},
	"up-header-apart": {"whole-frames-only"}, "up-zero-mask": {"no-zero-mask"}, "up-wide-length": {"no-wide-length"},
	"ping-answered": {"pong-without-payload"}, "ping-empty": {"no-empty-pong"}, "pong-unsolicited": {"no-unsolicited-pong"},
	"pong-unmasked": {"strict-pong"}, "close-answered": {"no-close-answer"}, "close-unmasked": {"ignores-unmasked-close"},
	"close-12592": {"ignores-odd-close"}, "close-plain-will": {"invents-disconnect"}, "close-frame-will": {"invents-disconnect-on-close"},
	"disconnect-no-will": {"swallows-disconnect"}, "text-refused": {"any-text"}, "unmasked-refused": {"any-mask"},
	"rsv-refused": {"any-rsv"}, "opcode-refused": {"any-opcode"}, "control-too-long": {"long-control"},
	"control-fragmented": {"fragmented-control"}, "continuation-stray": {"any-continuation"}, "length-sign-bit": {"waits-for-huge"},
	"length-huge": {"waits-for-huge"}, "first-not-connect": {"shrugs"}, "remaining-length-5": {"shrugs"}, "second-connect": {"shrugs"},
	"broker-packet-up": {"shrugs"}, "mqtt-3.1": {"no-3.1"}, "mqtt-3.1.1": {"no-3.1.1"}, "mqtt-5": {"no-5"}, "pingreq": {"swallows-pingreq"},
	"qos-1": {"swallows-qos-1"}, "qos-2": {"swallows-pubrel"}, "retained": {"swallows-retained"},
}

func TestEveryAssertionCanFail(t *testing.T) {
	for _, a := range check.Assertions() {
		t.Run(a.ID, func(t *testing.T) {
			t.Parallel()
			faults := reds[a.ID]
			if len(faults) == 0 {
				t.Fatal("no fault turns this assertion red: add one")
			}
			for _, o := range run(t, faulty.Start(t, faults...).URL, 2*time.Second, time.Minute, a.ID) { // what must not come does
				if o.Status != check.Fail {
					t.Errorf("%s with %v: %s (%s)", o.ID, faults, o.Status, o.Seen)
				}
			}
		})
	}
}

func TestUnknownAssertionIsAnError(t *testing.T) {
	e, err := wire.NewEndpoint(faulty.Start(t).URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := check.Run(context.Background(), check.Config{Endpoint: e, Step: time.Second, Only: []string{"nonsense"}}); err == nil {
		t.Error("want an error")
	}
}

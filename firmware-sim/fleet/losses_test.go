package fleet_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// severed runs devices whose endpoint cuts all of them once. The witness listens at the broker.
func severed(t *testing.T, change func(*fleet.Config)) *fleet.Result {
	t.Helper()
	e := faulty.Start(t)
	c := config(t, e.URL, "flutter-dart", 4)
	c.Messages, c.Rate, c.Drain = 100, 20, time.Second
	var err error
	if c.Witness, err = wire.NewEndpoint(e.Broker, nil); err != nil {
		t.Fatal(err)
	}
	c.Mix[0].Profile.Reconnect = profile.Backoff{First: 50 * time.Millisecond}
	var once sync.Once
	c.Progress = func(p fleet.Progress) {
		if p.Online == 4 {
			once.Do(e.Sever)
		}
	}
	change(&c)
	return run(t, c)
}

func TestLostConnectionsAreNotClean(t *testing.T) {
	t.Parallel()
	r := severed(t, func(*fleet.Config) {})
	for _, name := range []string{"no connection lost", "no will unasked"} {
		if !strings.Contains(bad(r), name) {
			t.Errorf("broken: %q, want %q: %+v", bad(r), name, r.Profiles)
		}
	}
	for how, change := range map[string]func(*fleet.Config){
		"tolerated": func(c *fleet.Config) { c.Limits.Losses = 4 },
		"asked for": func(c *fleet.Config) { c.Device.Impair = impair.Spec{Storm: time.Hour} },
	} {
		if r := severed(t, change); strings.Contains(bad(r), "connection") || strings.Contains(bad(r), "will") || r.Wills == 0 {
			t.Errorf("%s: broken: %q, %d wills", how, bad(r), r.Wills)
		}
	}
}

func TestBirthsThatDoNotArriveAreNotClean(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t, "swallows-retained").URL, "flutter-dart", 2)
	c.Drain = time.Second
	if r := run(t, c); !strings.Contains(bad(r), "births seen") {
		t.Errorf("broken: %q", bad(r))
	}
}

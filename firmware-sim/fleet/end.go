package fleet

import (
	"context"
	"time"

	"mqtt-ws-bridge/firmware-sim/profile"
)

// End is how a run ended: what it waited for, and for how long.
type End struct {
	// Silence is how long nothing may arrive or be acknowledged before the rest is given up: Config.Drain, and what the worst
	// line of the fleet needs for two round trips.
	Silence time.Duration `json:"silence_ns"`
	Limit   time.Duration `json:"limit_ns"`  // of all the waiting for devices
	Waited  time.Duration `json:"waited_ns"` // from the last message sent to the last device gone
	// CutShort means that the limit ended it: devices were still busy.
	CutShort bool `json:"cut_short,omitempty"`
}

// silence is how long a device of a profile may hear nothing about what it has sent: a QoS 2 message takes two round trips.
func (c *Config) silence(p *profile.Profile) time.Duration {
	return min(c.Drain+2*p.Radio.With(c.Device.Impair).RoundTrip(c.frameSize()), c.DrainLimit)
}

// frameSize is about how long a message is on the wire.
func (c *Config) frameSize() int { return 256 + c.Codec.Size() }

// worstSilence is that of the fleet's worst line.
func (r *run) worstSilence() time.Duration {
	worst := r.config.Drain
	for i := range r.config.Mix {
		worst = max(worst, r.config.silence(&r.config.Mix[i].Profile))
	}
	return worst
}

// settleCommands stops the commander and waits for the answers that can still come.
func (r *run) settleCommands(ctx context.Context) {
	if r.commands == nil {
		return
	}
	r.commands.stop()
	deadline := time.Now().Add(r.worstSilence())
	for r.commands.waiting() > 0 && time.Now().Before(deadline) && pause(ctx, 10*time.Millisecond) {
		continue
	}
	r.answers = r.commands.report()
}

// farewell lets devices finish what they have begun and leave in order: as long as something moves, and for those that are
// between two connections of a persistent session until they are back; never longer than the limit.
func (r *run) farewell(finished <-chan struct{}) {
	begin := time.Now()
	r.end = End{Silence: r.worstSilence(), Limit: r.config.DrainLimit}
	defer func() { r.end.Waited = time.Since(begin) }()
	deadline := time.NewTimer(r.config.DrainLimit)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-finished:
			return
		case <-deadline.C:
			r.end.CutShort = true
			return
		case <-tick.C:
			if r.expected() {
				continue
			}
			if r.online() == 0 || time.Since(later(r.shared.ledger.LastMove(), begin)) > r.end.Silence+time.Second {
				return
			}
		}
	}
}

// expected reports whether a device is away that has a message to finish when it comes back.
func (r *run) expected() bool {
	for i, t := range r.behave {
		if t.epoch.Load()%2 == 0 && !t.left.Load() && (t.kept.Load() != nil || len(r.devices[i].Unfinished()) > 0) {
			return true
		}
	}
	return false
}

// leftOver books what devices still held when they were gone.
func (r *run) leftOver() {
	for i, d := range r.devices {
		for _, seq := range d.Unfinished() {
			r.shared.ledger.Unfinished(i, seq)
		}
		if k := r.behave[i].kept.Load(); k != nil {
			r.shared.ledger.Unfinished(i, k.seq)
		}
	}
}

// drain waits for messages that are still on their way from the endpoint to the verifying subscriber: until all are there, or
// nothing came for Drain.
func (r *run) drain(ctx context.Context) {
	begin := time.Now()
	for pause(ctx, 20*time.Millisecond) {
		quiet := time.Since(later(r.shared.ledger.LastMove(), begin))
		if quiet > r.config.Drain || r.shared.ledger.Missing() == 0 && quiet > min(200*time.Millisecond, r.config.Drain) ||
			time.Since(begin) > r.config.DrainLimit {
			return
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

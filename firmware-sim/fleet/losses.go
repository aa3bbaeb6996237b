package fleet

import "mqtt-ws-bridge/firmware-sim/profile"

// mayLose reports whether a profile is there to lose connections in this run: by habit, or because it was asked for.
func (c *Config) mayLose(p *profile.Profile) bool {
	line := p.Radio.With(c.Device.Impair)
	return c.Drops || p.Hostile || p.Power.Doze > 0 || p.Power.Sleep > 0 ||
		line.Reset > 0 || line.HalfOpen > 0 || line.Stall > 0 || line.Storm > 0 ||
		p.Receiver.MidFrame > 0 && line.Pause(c.frameSize()) >= p.Receiver.MidFrame
}

// connections judges whether devices stayed connected, and what the broker made of their comings and goings.
func (r *run) connections(res *Result) []Finding {
	var lost, asked, wills int64
	excused := make(map[string]bool)
	unborn, online := 0, 0
	for i, p := range r.dealt {
		excused[p.Name] = r.config.mayLose(p)
		t := r.behave[i]
		if !excused[p.Name] {
			wills += t.wills.Load()
		}
		if t.epoch.Load() > 0 {
			online++
			if !t.born.Load() {
				unborn++
			}
		}
	}
	for _, p := range res.Profiles {
		if excused[p.Name] {
			asked += p.Losses
		} else {
			lost += p.Losses
		}
	}
	allowed := r.config.Limits.Losses
	out := []Finding{finding("no connection lost", lost <= allowed, "%d connections lost, %d allowed; %d more where that was asked for", lost, allowed, asked)}
	if !r.config.Birth {
		return out
	}
	// A birth that was under way when a connection was lost may be gone with it.
	pardon := lost + asked
	return append(out,
		finding("births seen", int64(unborn) <= pardon, "%d of %d births did not arrive", unborn, online),
		finding("no will unasked", wills <= allowed, "%d wills of devices that had not lost their connection on purpose", wills))
}

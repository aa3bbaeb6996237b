package report

import (
	"fmt"
	"io"

	"mqtt-ws-bridge/firmware-sim/load"
)

// Load writes a load's result for people.
func Load(w io.Writer, r *load.Result) error {
	p := &page{w: w}
	rate := func(n int64) string { return fmt.Sprintf("%d (%.0f/s)", n, float64(n)/max(r.Measured.Seconds(), 1e-9)) }
	p.line("%s at %s: %d of %d devices connected in %.2f s, measured %.2f s", r.Mode, r.URL, r.Connected, r.Devices,
		r.Connecting.Seconds(), r.Measured.Seconds())
	p.line("sent %s, received %s, acknowledged %s, up %s, down %s", rate(r.Sent), rate(r.Received), rate(r.Acked),
		Size(r.BytesUp), Size(r.BytesDown))
	if r.FloodSent > 0 {
		p.line("flooded %s", rate(r.FloodSent))
	}
	if r.Connects > 0 {
		p.line("connects %s", rate(r.Connects))
	}
	if r.Latency.Count > 0 {
		p.line("latency p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", short(r.Latency.P50), short(r.Latency.P90),
			short(r.Latency.P99), short(r.Latency.P999), short(r.Latency.Max))
	}
	messages := max(r.Sent, r.Received, r.Connects, 1)
	p.line("own processor time %.2f s user, %.2f s system, %.2f us per message", r.UserTime.Seconds(), r.SystemTime.Seconds(),
		float64((r.UserTime+r.SystemTime).Microseconds())/float64(messages))
	for _, e := range r.Errors {
		p.line("error: %s", e)
	}
	if r.Mode == load.Down && r.Received == 0 {
		p.line("error: nothing was received: does anybody publish to the flood's topic? --flood N does")
	}
	p.line("flushed %d of %d, lost %d; verdict: %s", r.Flushed, r.Devices, r.Lost, verdict(r.Clean()))
	return p.err
}

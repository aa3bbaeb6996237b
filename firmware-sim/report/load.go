package report

import (
	"fmt"
	"io"

	"mqtt-ws-bridge/firmware-sim/load"
)

// Load writes a load's result for people.
func Load(w io.Writer, r *load.Result) error {
	rate := func(n int64) string { return fmt.Sprintf("%d (%.0f/s)", n, float64(n)/max(r.Seconds, 1e-9)) }
	fmt.Fprintf(w, "%s at %s: %d of %d devices connected in %.2f s, measured %.2f s\n", r.Mode, r.URL, r.Connected, r.Devices,
		r.ConnectSeconds, r.Seconds)
	fmt.Fprintf(w, "sent %s, received %s, acknowledged %s, up %s, down %s\n", rate(r.Sent), rate(r.Received), rate(r.Acked),
		Size(r.BytesUp), Size(r.BytesDown))
	if r.FloodSent > 0 {
		fmt.Fprintf(w, "flooded %s\n", rate(r.FloodSent))
	}
	if r.Connects > 0 {
		fmt.Fprintf(w, "connects %s\n", rate(r.Connects))
	}
	if r.Latency.Count > 0 {
		fmt.Fprintf(w, "latency p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", short(r.Latency.P50), short(r.Latency.P90),
			short(r.Latency.P99), short(r.Latency.P999), short(r.Latency.Max))
	}
	messages := max(r.Sent, r.Received, r.Connects, 1)
	fmt.Fprintf(w, "own processor time %.2f s user, %.2f s system, %.2f us per message\n", r.UserSeconds, r.SystemSeconds,
		(r.UserSeconds+r.SystemSeconds)*1e6/float64(messages))
	for _, e := range r.Errors {
		fmt.Fprintf(w, "error: %s\n", e)
	}
	if r.Mode == load.Down && r.Received == 0 {
		fmt.Fprintln(w, "error: nothing was received: does anybody publish to the flood's topic? --flood N does")
	}
	_, err := fmt.Fprintf(w, "flushed %d of %d, lost %d; verdict: %s\n", r.Flushed, r.Devices, r.Lost, verdict(r.Clean()))
	return err
}

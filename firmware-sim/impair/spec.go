// Package impair makes a good connection behave like a bad one: latency, jitter, narrow bandwidth, stalls in the middle
// of a frame, slow readers, half-open peers and resets. Everything random comes from the generator it is given, so the
// same seed suffers the same faults.
//
// It does not lose bytes: below TCP there is loss, above it there is only lateness and death.
package impair

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// Spec says what is wrong with a connection. The zero value is a good one. Read-only once in use.
type Spec struct {
	Latency   time.Duration `json:"latency_ns"`                 // each way
	Jitter    time.Duration `json:"jitter_ns"`                  // added to Latency, uniform in [0, Jitter)
	Bandwidth int           `json:"bandwidth_bytes_per_second"` // bytes per second each way, 0 for unlimited
	Stall     time.Duration `json:"stall_ns"`                   // pause in the middle of a write
	StallP    float64       `json:"stall_share"`                // share of writes that stall, 0 to 1
	SlowRead  int           `json:"slow_read_bytes_per_second"` // bytes per second that the device reads
	HalfOpen  float64       `json:"half_open_share"`            // share of connections that go silent for good without closing
	HalfAfter time.Duration `json:"half_open_after_ns"`         // when they do, at most
	Reset     int           `json:"reset_after_bytes"`          // bytes after which the connection is reset, both ways together
	Storm     time.Duration `json:"storm_every_ns"`             // every so often the whole fleet is reset at once
}

// Zero reports whether a connection under s is left as it is; a storm is the fleet's business.
func (s Spec) Zero() bool {
	s.Storm = 0
	return s == Spec{}
}

// Parse reads "latency=200ms,jitter=50ms,bandwidth=32kbit,stall=3s@5%,slowread=1kB,halfopen=2%@10s,reset=64kB,storm=30s".
func Parse(text string) (Spec, error) {
	var s Spec
	for item := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		if name == "" {
			continue
		}
		if err := s.set(name, value); err != nil {
			return s, fmt.Errorf("impairment %s=%s: %w", name, value, err)
		}
	}
	return s, nil
}

func (s *Spec) set(name, value string) (err error) {
	at := func(def string) (string, string) {
		a, b, ok := strings.Cut(value, "@")
		if !ok {
			b = def
		}
		return a, b
	}
	switch name {
	case "latency":
		s.Latency, err = positive(value)
	case "jitter":
		s.Jitter, err = positive(value)
	case "bandwidth":
		s.Bandwidth, err = Bytes(value)
	case "slowread":
		s.SlowRead, err = Bytes(value)
	case "reset":
		s.Reset, err = Bytes(value)
	case "storm":
		s.Storm, err = positive(value)
	case "stall":
		d, p := at("1%")
		if s.Stall, err = positive(d); err == nil {
			s.StallP, err = Share(p)
		}
	case "halfopen":
		p, d := at("30s")
		if s.HalfOpen, err = Share(p); err == nil {
			s.HalfAfter, err = positive(d)
		}
	default:
		err = fmt.Errorf("unknown; want latency, jitter, bandwidth, stall, slowread, halfopen, reset or storm")
	}
	return err
}

func positive(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err == nil && d <= 0 {
		err = fmt.Errorf("want a duration above zero")
	}
	return d, err
}

// Share reads "5%" or "0.05" as a number from 0 to 1.
func Share(value string) (float64, error) {
	number, percent := strings.CutSuffix(value, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || f < 0 || f > 1 {
		return 0, fmt.Errorf("want a share such as 5%% or 0.05")
	}
	return f, nil
}

var units = []struct {
	suffix string
	factor float64
}{{"kbit", 125}, {"Mbit", 125000}, {"KiB", 1024}, {"MiB", 1 << 20}, {"kB", 1000}, {"KB", 1000}, {"MB", 1e6}, {"B", 1}, {"", 1}}

// Bytes reads a size or a rate: "64kB", "16KiB", "32kbit", "1000".
func Bytes(value string) (int, error) {
	value = strings.TrimSuffix(value, "/s")
	for _, u := range units {
		number, ok := strings.CutSuffix(value, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || f <= 0 || f > 1e12 {
			break
		}
		return int(f * u.factor), nil
	}
	return 0, fmt.Errorf("want a size such as 64kB, 16KiB or 32kbit")
}

// With returns s with everything that other sets laid over it.
func (s Spec) With(other Spec) Spec {
	if other.Latency > 0 {
		s.Latency = other.Latency
	}
	if other.Jitter > 0 {
		s.Jitter = other.Jitter
	}
	if other.Bandwidth > 0 {
		s.Bandwidth = other.Bandwidth
	}
	if other.Stall > 0 {
		s.Stall, s.StallP = other.Stall, other.StallP
	}
	if other.SlowRead > 0 {
		s.SlowRead = other.SlowRead
	}
	if other.HalfOpen > 0 {
		s.HalfOpen, s.HalfAfter = other.HalfOpen, other.HalfAfter
	}
	if other.Reset > 0 {
		s.Reset = other.Reset
	}
	if other.Storm > 0 {
		s.Storm = other.Storm
	}
	return s
}

// RoundTrip is how much longer a packet of n bytes and its answer may take because of the line: the worst case, with a stall
// in each of two writes on the way.
func (s Spec) RoundTrip(n int) time.Duration {
	d := 2*(s.Latency+s.Jitter) + pass(2*n, s.Bandwidth) + pass(n, s.SlowRead)
	if s.StallP > 0 {
		d += 2 * s.Stall
	}
	return d
}

// Pause is how long the line itself may interrupt the n bytes of a frame on their way to the device.
func (s Spec) Pause(n int) time.Duration {
	return s.Jitter + pass(n, s.Bandwidth) + pass(n, s.SlowRead)
}

// pass is how long n bytes take at a rate in bytes per second, 0 for no limit.
func pass(n, rate int) time.Duration {
	if rate == 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(rate) * float64(time.Second))
}

// delay is how long a chunk of n bytes is on its way.
func (s Spec) delay(n int, rng *rand.Rand) time.Duration {
	d := s.Latency + pass(n, s.Bandwidth)
	if s.Jitter > 0 {
		d += time.Duration(rng.Int64N(int64(s.Jitter)))
	}
	return d
}

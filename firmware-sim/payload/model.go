package payload

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// makers are the models by name. rng gives each device its own start.
var makers = map[string]func(rng *rand.Rand) Model{
	"constant": func(rng *rand.Rand) Model {
		v := round(20 + rng.Float64()*5)
		return func(*rand.Rand, time.Time) any { return v }
	},
	"walk": func(rng *rand.Rand) Model {
		v := 20 + rng.Float64()*5
		return func(rng *rand.Rand, _ time.Time) any {
			v += rng.NormFloat64() * 0.1
			return round(v)
		}
	},
	"sine": func(rng *rand.Rand) Model {
		phase := rng.Float64() * 2 * math.Pi
		n := 0
		return func(rng *rand.Rand, _ time.Time) any {
			n++
			return round(20 + 5*math.Sin(phase+float64(n)/50) + rng.NormFloat64()*0.2)
		}
	},
	"gps":     gps,
	"battery": battery,
	"states":  states,
	"onoff": func(rng *rand.Rand) Model {
		on := rng.IntN(2) == 0
		return func(rng *rand.Rand, _ time.Time) any {
			if rng.IntN(10) == 0 {
				on = !on
			}
			return map[string]bool{"on": on}
		}
	},
}

// gps walks with a heading that turns slowly, at about 14 m per message.
func gps(rng *rand.Rand) Model {
	lat, lon, heading := 47+rng.Float64()*5, 7+rng.Float64()*6, rng.Float64()*2*math.Pi
	return func(rng *rand.Rand, _ time.Time) any {
		heading += rng.NormFloat64() * 0.1
		lat += math.Cos(heading) * 0.000126
		lon += math.Sin(heading) * 0.000126 / math.Cos(lat*math.Pi/180)
		return map[string]float64{"lat": math.Round(lat*1e6) / 1e6, "lon": math.Round(lon*1e6) / 1e6}
	}
}

// battery drains and is charged again at 10 %.
func battery(rng *rand.Rand) Model {
	level, charging := 50+rng.Float64()*50, false
	return func(rng *rand.Rand, _ time.Time) any {
		switch {
		case charging:
			level = min(100, level+1)
			charging = level < 100
		default:
			level -= rng.Float64() * 0.2
			charging = level < 10
		}
		return map[string]any{"level": round(level), "charging": charging}
	}
}

// states moves through the life of a machine, with a fault now and then.
func states(*rand.Rand) Model {
	state := "idle"
	next := map[string][]string{"idle": {"idle", "starting"}, "starting": {"running"},
		"running": {"running", "running", "running", "idle", "fault"}, "fault": {"fault", "idle"}}
	return func(rng *rand.Rand, _ time.Time) any {
		options := next[state]
		state = options[rng.IntN(len(options))]
		return map[string]string{"state": state}
	}
}

func round(v float64) float64 { return math.Round(v*100) / 100 }

// Models returns the names of the models.
func Models() []string {
	names := []string{"mixed"}
	for name := range makers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// NewModel makes the n-th device's model; "mixed" gives each device another one.
func NewModel(name string, n int, rng *rand.Rand) (Model, error) {
	if name == "mixed" {
		names := slices.DeleteFunc(Models(), func(s string) bool { return s == "mixed" })
		name = names[n%len(names)]
	}
	maker := makers[name]
	if maker == nil {
		return nil, fmt.Errorf("payload model %q: want one of %s", name, strings.Join(Models(), ", "))
	}
	return maker(rng), nil
}

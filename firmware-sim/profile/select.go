package profile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mqtt-ws-bridge/firmware-sim/impair"
)

// Modifier changes a profile by name, as in "esp32-idf+doze".
type Modifier struct {
	Name, Summary string
	apply         func(*Profile)
}

// Modifiers returns the modifiers in the order of the documentation.
func Modifiers() []Modifier {
	return []Modifier{
		{"doze", "Android Doze: pings and messages wait for an alarm every 9 minutes, the keepalive is violated", func(p *Profile) {
			p.Power.Doze = 9 * time.Minute
		}},
		{"deepsleep", "connect, publish, leave, sleep", func(p *Profile) { p.Power.Sleep = 30 * time.Second }},
		{"nbiot", "1.5 s each way, up to 2 s jitter, 32 kbit/s, 2 % of writes stall for 5 s", func(p *Profile) {
			p.Radio = impair.Spec{Latency: 1500 * time.Millisecond, Jitter: 2 * time.Second, Bandwidth: 4000,
				Stall: 5 * time.Second, StallP: 0.02}
		}},
		{"ota", "takes part in firmware updates while it runs", func(p *Profile) { p.OTA = true }},
		{"nojitter", "every random spread of the reconnect taken out", func(p *Profile) {
			p.Reconnect.Jitter, p.Reconnect.Full = 0, false
		}},
	}
}

// Lookup finds a profile by name, with modifiers behind plus signs.
func Lookup(name string) (Profile, error) {
	parts := strings.Split(name, "+")
	all := All()
	i := slices.IndexFunc(all, func(p Profile) bool { return p.Name == parts[0] })
	if i < 0 {
		if near := nearest(parts[0], all); near != "" {
			return Profile{}, fmt.Errorf("no profile %q: did you mean %s?", parts[0], near)
		}
		return Profile{}, fmt.Errorf("no profile %q: 'firmware-sim profiles' lists them", parts[0])
	}
	p := all[i]
	p.Name = name
	for _, m := range parts[1:] {
		mods := Modifiers()
		j := slices.IndexFunc(mods, func(x Modifier) bool { return x.Name == m })
		if j < 0 {
			return Profile{}, fmt.Errorf("no modifier +%s: 'firmware-sim profiles' lists them", m)
		}
		mods[j].apply(&p)
	}
	return p, nil
}

// nearest returns the profile whose name is at most three letters away from a mistyped one.
func nearest(name string, all []Profile) (near string) {
	best := 4
	for _, p := range all {
		if d := Distance(name, p.Name); d < best {
			best, near = d, p.Name
		}
	}
	return near
}

// Distance is how many letters have to be changed, added or taken out to make b of a.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}

// Share is a profile with its weight in a fleet.
type Share struct {
	Profile Profile
	Weight  float64
}

// Mix is a fleet's composition.
type Mix []Share

// ParseMix reads "NAME[=weight],...". The word "all" stands for every profile but the hostile one, equally.
func ParseMix(text string) (Mix, error) {
	var mix Mix
	for item := range strings.SplitSeq(text, ",") {
		name, weight, given := strings.Cut(strings.TrimSpace(item), "=")
		w := 1.0
		if given {
			var err error
			if w, err = strconv.ParseFloat(weight, 64); err != nil || w <= 0 {
				return nil, fmt.Errorf("profile %s: weight %q is not a number above zero", name, weight)
			}
		}
		base, mods, _ := strings.Cut(name, "+")
		names := []string{name}
		if base == "all" {
			names = names[:0]
			for _, p := range All() {
				if !p.Hostile {
					names = append(names, strings.TrimSuffix(p.Name+"+"+mods, "+"))
				}
			}
		}
		for _, n := range names {
			p, err := Lookup(n)
			if err != nil {
				return nil, err
			}
			mix = append(mix, Share{p, w / float64(len(names))})
		}
	}
	return mix, nil
}

// Deal gives each of n devices a profile: exact shares, interleaved, the same for the same mix and n. The result
// points into mix.
func (m Mix) Deal(n int) []*Profile {
	out := make([]*Profile, n)
	total := 0.0
	for _, s := range m {
		total += s.Weight
	}
	credit := make([]float64, len(m))
	for i := range out {
		best := 0
		for j, s := range m {
			credit[j] += s.Weight / total
			if credit[j] > credit[best]+1e-9 {
				best = j
			}
		}
		credit[best]--
		out[i] = &m[best].Profile
	}
	return out
}

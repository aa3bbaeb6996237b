package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Spread is what is left of the samples of one thing.
type Spread struct {
	Median, Min, Max float64
	N                int
}

// Of sums up samples. Of none, all is 0.
func Of(samples []float64) Spread {
	if len(samples) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(samples))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1], N: len(sorted)}
}

// String is the median and, where there is more than one sample, the least and the most.
func (s Spread) String() string {
	if s.N == 0 {
		return "–"
	}
	if s.N == 1 {
		return Number(s.Median)
	}
	return Number(s.Median) + " (" + Number(s.Min) + "–" + Number(s.Max) + ")"
}

// Number writes three significant digits, and thousands with commas.
func Number(x float64) string {
	if x == 0 {
		return "0"
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(x))))
	if digits > 0 {
		return strconv.FormatFloat(x, 'f', min(digits, 4), 64)
	}
	scale := math.Pow10(-digits)
	whole := strconv.FormatFloat(math.Round(x/scale)*scale, 'f', 0, 64)
	var b strings.Builder
	for i, c := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 && whole[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Plain is Number without zeros at the end of a fraction.
func Plain(x float64) string {
	s := Number(x)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Bytes writes a size as people do.
func Bytes(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + " KiB"
	}
	return strconv.Itoa(n) + " B"
}

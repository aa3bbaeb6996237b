package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Chart is a plot of lines over a logarithmic x axis.
type Chart struct {
	Title, X, Y string
	Ticks       []Tick // of the x axis
	LogY        bool   // otherwise the y axis is linear and begins at 0
	Series      []Series
}

// Tick is a mark of the x axis.
type Tick struct {
	At    float64
	Label string
}

// Series is a line, with one value for each tick.
type Series struct {
	Name   string
	Values []float64
}

const (
	width, height            = 760, 400
	left, right, top, bottom = 70, 130, 46, 56
)

// Colours that people with any colour vision tell apart, and a shape each for print.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#6b6b6b"}

// SVG draws the chart on a light background.
func (c Chart) SVG() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13" fill="#222">`+"\n",
		width, height, width, height)
	fmt.Fprintf(&b, `<title>%s</title>`+"\n"+`<rect width="%d" height="%d" fill="#fff"/>`+"\n", c.Title, width, height)
	fmt.Fprintf(&b, `<text x="%d" y="24" font-size="16" font-weight="bold">%s</text>`+"\n", left, c.Title)
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", (left+width-right)/2, height-14, c.X)
	fmt.Fprintf(&b, `<text transform="translate(18 %d) rotate(-90)" text-anchor="middle">%s</text>`+"\n", (top+height-bottom)/2, c.Y)
	low, high, ticks := c.yAxis()
	for _, tick := range ticks {
		y := c.y(tick, low, high)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`, left, y, width-right, y)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", left-8, y+4, Plain(tick))
	}
	for _, tick := range c.Ticks {
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`+"\n", c.x(tick.At), height-bottom+20, tick.Label)
	}
	labels := c.labels(low, high)
	for i, s := range slices.Backward(c.Series) { // the first on top
		c.line(&b, i, s, low, high, labels[i])
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (c Chart) line(b *strings.Builder, i int, s Series, low, high, label float64) {
	colour := colours[i%len(colours)]
	var points []string
	for n, v := range s.Values {
		points = append(points, fmt.Sprintf("%.1f,%.1f", c.x(c.Ticks[n].At), c.y(v, low, high)))
	}
	thickness := "1.6"
	if i == 0 {
		thickness = "3"
	}
	fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>`+"\n", strings.Join(points, " "), colour, thickness)
	for n, v := range s.Values {
		mark(b, i, c.x(c.Ticks[n].At), c.y(v, low, high), colour)
	}
	fmt.Fprintf(b, `<text x="%d" y="%.1f" fill="%s" font-weight="bold">%s</text>`+"\n", width-right+12, label+4, colour, s.Name)
}

func mark(b *strings.Builder, i int, x, y float64, colour string) {
	switch i % 4 {
	case 0:
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s"/>`+"\n", x, y, colour)
	case 1:
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="8" height="8" fill="%s"/>`+"\n", x-4, y-4, colour)
	case 2:
		fmt.Fprintf(b, `<path d="M%.1f %.1fl5 9h-10z" fill="%s"/>`+"\n", x, y-5, colour)
	default:
		fmt.Fprintf(b, `<path d="M%.1f %.1fl5 5l-5 5l-5 -5z" fill="%s"/>`+"\n", x, y-5, colour)
	}
}

// labels says at which heights the names of the series stand: beside their last values, but not upon one another.
func (c Chart) labels(low, high float64) []float64 {
	const apart = 16
	at := make([]float64, len(c.Series))
	placed := make([]bool, len(c.Series))
	above := math.Inf(-1)
	for range at {
		next := -1
		for i, s := range c.Series {
			y := c.y(s.Values[len(s.Values)-1], low, high)
			if !placed[i] && (next < 0 || y < at[next]) {
				next, at[i] = i, y
			}
		}
		at[next] = max(at[next], above+apart)
		above, placed[next] = at[next], true
	}
	return at
}

// yAxis is the range of the axis and its ticks.
func (c Chart) yAxis() (low, high float64, ticks []float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		for _, v := range s.Values {
			low, high = min(low, v), max(high, v)
		}
	}
	if !c.LogY {
		step := nice(high / 5)
		high = step * math.Ceil(high/step)
		for n := 0.0; n*step <= high*1.0001; n++ {
			ticks = append(ticks, n*step)
		}
		return 0, high, ticks
	}
	few := high/low > 1000 // then powers of ten are enough
	low, high = low/1.15, high*1.15
	for power := math.Pow10(int(math.Floor(math.Log10(low)))); power <= high; power *= 10 {
		for _, n := range []float64{1, 2, 5} {
			if tick := n * power; tick >= low && tick <= high && (n == 1 || !few) {
				ticks = append(ticks, tick)
			}
		}
	}
	return low, high, ticks
}

// nice is the least of 1, 2 or 5 times a power of ten that is not below x.
func nice(x float64) float64 {
	power := math.Pow10(int(math.Floor(math.Log10(x))))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= x {
			return n * power
		}
	}
	return 10 * power
}

func (c Chart) x(v float64) float64 {
	first, last := math.Log(c.Ticks[0].At), math.Log(c.Ticks[len(c.Ticks)-1].At)
	return left + (math.Log(v)-first)/(last-first)*float64(width-right-left)
}

func (c Chart) y(v, low, high float64) float64 {
	if c.LogY {
		v, low, high = math.Log(v), math.Log(low), math.Log(high)
	}
	return float64(height-bottom) - (v-low)/(high-low)*float64(height-bottom-top)
}

package report

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		samples []float64
		want    string
	}{
		{nil, "–"},
		{[]float64{0.28}, "0.280"},
		{[]float64{3, 1, 2}, "2.00 (1.00–3.00)"},
		{[]float64{4, 1, 2, 3}, "2.50 (1.00–4.00)"},
		{[]float64{1234567, 12.34, 0.00012}, "12.3 (0.0001–1,230,000)"},
		{[]float64{0, 0, 999.6}, "0 (0–1,000)"},
	} {
		if got := Of(c.samples).String(); got != c.want {
			t.Errorf("of %v: %s, want %s", c.samples, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.5: "0.5", 1: "1", 10: "10", 2.5: "2.5", 1000: "1,000", 0.1 * 3: "0.3"} {
		if got := Plain(x); got != want {
			t.Errorf("%v is %s, want %s", x, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{{"what", "a", "b"}}
	table.Add("x", "1", "2")
	const want = "| what | a | b |\n|---|---:|---:|\n| x | 1 | 2 |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestChartIsWholeAndTheSameEachTime(t *testing.T) {
	for _, logY := range []bool{false, true} {
		c := Chart{Title: "cost", X: "devices", Y: "us", LogY: logY, Ticks: []Tick{{1, "1"}, {10, "10"}, {1000, "1k"}},
			Series: []Series{{"one", []float64{1, 2, 3}}, {"two", []float64{3, 2, 3}}, {"three", []float64{70, 8, 3}}}}
		svg := c.SVG()
		for range 10 {
			if c.SVG() != svg {
				t.Fatal("the same samples give another plot")
			}
		}
		decoder, circles := xml.NewDecoder(strings.NewReader(svg)), 0
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("the plot is no XML: %v", err)
			}
			if element, ok := token.(xml.StartElement); ok && element.Name.Local == "circle" {
				circles++
			}
		}
		if circles != 3 || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("the first line has %d points, want 3, all of them numbers:\n%s", circles, svg)
		}
		// All lines end at one value: their names must not lie upon one another.
		labels := c.labels(1, 100)
		for i := range labels {
			for j := range i {
				if d := labels[i] - labels[j]; d*d < 15*15 {
					t.Errorf("names stand at heights %v", labels)
				}
			}
		}
	}
}

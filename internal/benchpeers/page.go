package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	_ "embed"

	"mqtt-ws-bridge/internal/benchpeers/peer"
	"mqtt-ws-bridge/internal/benchpeers/report"
)

//go:embed page.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the template shows.
type page struct {
	*record
	Goals, Secure, Broker, Speeds string
	Growth                        []growthSection
}

// save writes the page, in the directory asked for or on w, and the record where it is wanted.
func (o options) save(r *record, w io.Writer) error {
	if o.record != "" {
		content, err := json.MarshalIndent(r, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.record, content, 0o644); err != nil {
			return err
		}
	}
	p := page{
		record: r,
		Goals:  r.goals(),
		Secure: r.compare(secureLines, r.names(), "against the better of HAProxy and nginx"),
		Speeds: r.compare(speeds, r.names(), "against the better of HAProxy and nginx"),
		Broker: r.compare(brokerLines, []string{withBridge, alone}, "ratio"),
		Growth: r.growthSections(),
	}
	var content strings.Builder
	if err := pageTemplate.Execute(&content, p); err != nil {
		return err
	}
	if o.out == "" {
		_, err := io.WriteString(w, content.String())
		return err
	}
	for _, s := range p.Growth {
		if s.File == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(o.out, s.File), []byte(s.chart.SVG()), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(o.out, "benchmarks.md"), []byte(content.String()), 0o644)
}

// again makes the page of an earlier run.
func (o options) again(w io.Writer) error {
	content, err := os.ReadFile(o.from)
	if err != nil {
		return err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return fmt.Errorf("read %s: %w", o.from, err)
	}
	o.record = ""
	return o.save(&r, w)
}

// names are the peers' before the null upstream.
func (r *record) names() []string {
	var names []string
	for _, p := range r.Peers[:len(r.Peers)-1] {
		names = append(names, p.Name)
	}
	return names
}

// goals is the table of what has a target.
func (r *record) goals() string {
	names := r.names()
	t := report.Table{append(append([]string{"what"}, names...), "against", "ratio", "target", "limit", "")}
	for _, l := range goals {
		if r.Results[l.load] == nil {
			continue
		}
		row := []string{l.title}
		for _, name := range names {
			row = append(row, r.Results.of(l, name).String())
		}
		figure, ratio, unit := r.Results.of(l, peer.Bridge).Median, "", ""
		if l.against != nil {
			figure, unit = r.Results.ratio(l, peer.Bridge), " ×"
			ratio = fmt.Sprintf("%.2f ×", figure)
		}
		against := strings.Join(l.against, ", ")
		if len(l.against) > 1 {
			against = "the better"
		}
		t.Add(append(row, against, ratio, report.Plain(l.target)+unit, report.Plain(l.limit)+unit, l.verdict(figure))...)
	}
	r.own(&t)
	return t.String()
}

// own adds the rows that only the bridge has.
func (r *record) own(t *report.Table) {
	add := func(l line, s report.Spread) {
		if s.N > 0 {
			t.Add(l.title, s.String(), "", "", "", "", "", report.Plain(l.target), report.Plain(l.limit), l.verdict(s.Median))
		}
	}
	for _, l := range []line{
		{title: "heap allocations per message up, 64 per write", load: "up-burst", pick: allocs, target: 0.01, limit: 0.01},
		{title: "heap allocations per message down, 64 per write", load: "down-burst", pick: allocs, target: 0.01, limit: 0.01},
	} {
		add(l, r.Results.of(l, peer.Bridge))
	}
	var rest []float64
	for _, s := range r.AtRest {
		rest = append(rest, s.Memory/1024)
	}
	add(line{title: "resident at rest, no devices, no embedded broker: MiB", target: 12, limit: 20}, report.Of(rest))
	if r.ArmSize > 0 {
		add(line{title: "binary, stripped, linux/arm v7: MiB", target: 12, limit: 16}, report.Of([]float64{float64(r.ArmSize) / (1 << 20)}))
	}
}

// compare is a table of lines without targets; the ratio is the first name's.
func (r *record) compare(lines []line, names []string, ratio string) string {
	t := report.Table{append(append([]string{"what"}, names...), ratio)}
	for _, l := range lines {
		if r.Results[l.load] == nil {
			continue
		}
		row := []string{l.title}
		for _, name := range names {
			row = append(row, r.Results.of(l, name).String())
		}
		against := ""
		if ratio := r.Results.ratio(l, names[0]); ratio > 0 {
			against = fmt.Sprintf("%.2f ×", ratio)
		}
		t.Add(append(row, against)...)
	}
	if len(t) == 1 {
		return "" // -only left nothing of it
	}
	return t.String()
}

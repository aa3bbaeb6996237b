package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	_ "embed"

	"mqtt-ws-bridge/internal/benchpeers/peer"
	"mqtt-ws-bridge/internal/benchpeers/proc"
	"mqtt-ws-bridge/internal/benchpeers/report"
)

//go:embed page.md.tmpl
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// page is what the template shows.
type page struct {
	Command, Date, Machine, Took  string
	Rounds                        int
	Quick                         bool
	Peers                         []peer.Peer
	Goals, Secure, Broker, Speeds string
	Growth                        []growthSection
}

// write makes the page, in the directory asked for or on w.
func (b *bench) write(w io.Writer, begin time.Time) error {
	p := page{
		Command: b.o.command, Date: begin.UTC().Format("2006-01-02 15:04 UTC"), Machine: proc.Machine(), Rounds: b.o.rounds,
		Took: time.Since(begin).Round(time.Second).String(), Quick: b.o.quick, Peers: append(b.peers, peer.Mosquitto()),
		Goals:  b.goals(),
		Secure: b.compare(secureLines, b.names(), "against the better of HAProxy and nginx"),
		Speeds: b.compare(speeds, b.names(), "against the better of HAProxy and nginx"),
		Broker: b.compare(brokerLines, []string{withBridge, alone}, "ratio"),
		Growth: b.growthSections(),
	}
	var content strings.Builder
	if err := pageTemplate.Execute(&content, p); err != nil {
		return err
	}
	if b.o.out == "" {
		_, err := io.WriteString(w, content.String())
		return err
	}
	for _, s := range p.Growth {
		if s.File == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(b.o.out, s.File), []byte(s.chart.SVG()), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(b.o.out, "benchmarks.md"), []byte(content.String()), 0o644)
}

func (b *bench) names() []string {
	var names []string
	for _, p := range b.peers {
		names = append(names, p.Name)
	}
	return names
}

// goals is the table of what has a target.
func (b *bench) goals() string {
	names := b.names()
	t := report.Table{append(append([]string{"what"}, names...), "against", "ratio", "target", "limit", "")}
	for _, l := range goals {
		if b.results[l.load] == nil {
			continue
		}
		row := []string{l.title}
		for _, name := range names {
			row = append(row, b.results.of(l, name).String())
		}
		figure, ratio, unit := b.results.of(l, peer.Bridge).Median, "", ""
		if l.against != nil {
			figure, unit = b.results.ratio(l, peer.Bridge), " ×"
			ratio = fmt.Sprintf("%.2f ×", figure)
		}
		against := strings.Join(l.against, ", ")
		if len(l.against) > 1 {
			against = "the better"
		}
		t.Add(append(row, against, ratio, report.Number(l.target)+unit, report.Number(l.limit)+unit, l.verdict(figure))...)
	}
	b.own(&t)
	return t.String()
}

// own adds the rows that only the bridge has.
func (b *bench) own(t *report.Table) {
	add := func(l line, s report.Spread) {
		if s.N > 0 {
			t.Add(l.title, s.String(), "", "", "", "", "", report.Number(l.target), report.Number(l.limit), l.verdict(s.Median))
		}
	}
	for _, l := range []line{
		{title: "heap allocations per message up, 64 per write", load: "up-burst", pick: allocs, target: 0.01, limit: 0.01},
		{title: "heap allocations per message down, 64 per write", load: "down-burst", pick: allocs, target: 0.01, limit: 0.01},
	} {
		add(l, b.results.of(l, peer.Bridge))
	}
	var rest []float64
	for _, s := range b.atRest {
		rest = append(rest, s.Memory/1024)
	}
	add(line{title: "resident at rest, no devices, no embedded broker: MiB", target: 12, limit: 20}, report.Of(rest))
	if b.armSize > 0 {
		add(line{title: "binary, stripped, linux/arm v7: MiB", target: 12, limit: 16}, report.Of([]float64{float64(b.armSize) / (1 << 20)}))
	}
}

// compare is a table of lines without targets; the ratio is the first name's.
func (b *bench) compare(lines []line, names []string, ratio string) string {
	t := report.Table{append(append([]string{"what"}, names...), ratio)}
	for _, l := range lines {
		if b.results[l.load] == nil {
			continue
		}
		row := []string{l.title}
		for _, name := range names {
			row = append(row, b.results.of(l, name).String())
		}
		against := ""
		if r := b.results.ratio(l, names[0]); r > 0 {
			against = fmt.Sprintf("%.2f ×", r)
		}
		t.Add(append(row, against)...)
	}
	if len(t) == 1 {
		return "" // -only left nothing of it
	}
	return t.String()
}

package main

import (
	"fmt"

	"mqtt-ws-bridge/internal/benchpeers/report"
)

// growthSection is a table and a plot of how a cost grows.
type growthSection struct {
	Title, Table, File string
	chart              report.Chart
}

// point is one place on the x axis of a growth: a load's name, and where it stands.
type point struct {
	load  string
	at    int
	label string
}

func (r *record) growthSections() []growthSection {
	if r.Quick {
		return nil
	}
	var idlePoints, devicePoints, upPoints, downPoints []point
	for _, n := range growIdle {
		idlePoints = append(idlePoints, point{growthName("idle", n), n, report.Plain(float64(n))})
	}
	main := idles(false, false)[0]
	idlePoints = append(idlePoints, point{main.name, main.devices, report.Plain(float64(main.devices))})
	for _, n := range growDevices {
		devicePoints = append(devicePoints, point{growthName("devices", n), n, report.Plain(float64(n))})
	}
	for _, n := range growPayloads {
		upPoints = append(upPoints, point{growthName("payload-up", n), n, report.Bytes(n)})
		downPoints = append(downPoints, point{growthName("payload-down", n), n, report.Bytes(n)})
	}
	var all []growthSection
	add := func(name, title, x, y string, points []point, pick func(sample) float64, logY bool) {
		if s, ok := r.growthSection(title, y, points, pick); ok {
			s.File = "benchmarks-" + name + ".svg"
			s.chart.X, s.chart.LogY = x, logY
			all = append(all, s)
		}
	}
	add("idle", "Memory per idle device", "devices", "KiB per device", idlePoints, memory, false)
	if s, ok := r.growthSection("Processor time of idle devices", "µs per second and device", idlePoints, idleCPU); ok {
		all = append(all, s) // all of it is next to nothing: no plot
	}
	add("devices", "Up, one frame per write, by number of devices", "devices", "µs per message", devicePoints, cpu, true)
	add("payload-up", "Up, 10 devices, by payload", "payload", "µs per message", upPoints, cpu, true)
	add("payload-down", "Down, 10 devices, by payload", "payload", "µs per message", downPoints, cpu, true)
	return all
}

// growthSection makes the table and the plot, if there are samples for all points.
func (r *record) growthSection(title, y string, points []point, pick func(sample) float64) (growthSection, bool) {
	s := growthSection{Title: title, chart: report.Chart{Title: title, Y: y}}
	head := []string{fmt.Sprintf("%s, at", y)}
	for _, p := range points {
		if r.Results[p.load] == nil {
			return s, false
		}
		head = append(head, p.label)
		s.chart.Ticks = append(s.chart.Ticks, report.Tick{At: float64(p.at), Label: p.label})
	}
	t := report.Table{head}
	for _, name := range r.names() {
		row, series := []string{name}, report.Series{Name: name}
		for _, p := range points {
			spread := r.Results.of(line{load: p.load, pick: pick}, name)
			row, series.Values = append(row, spread.String()), append(series.Values, spread.Median)
		}
		t.Add(row...)
		s.chart.Series = append(s.chart.Series, series)
	}
	s.Table = t.String()
	return s, true
}

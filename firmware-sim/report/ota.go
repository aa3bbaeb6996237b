package report

import (
	"fmt"
	"io"

	"mqtt-ws-bridge/firmware-sim/ota"
)

// Updates writes a table of fates and how they ended, and the devices that ended otherwise.
func Updates(w io.Writer, outcomes []ota.Outcome) error {
	type key struct {
		fate     ota.Fate
		expected ota.State
	}
	count, good := make(map[key]int), make(map[key]int)
	var order []key
	for _, o := range outcomes {
		k := key{o.Fate, o.Expected}
		if count[k] == 0 {
			order = append(order, k)
		}
		count[k]++
		if o.OK {
			good[k]++
		}
	}
	p := &page{w: w}
	rows := [][]string{{"FATE", "MUST END AS", "DEVICES", "AS EXPECTED"}}
	for _, k := range order {
		rows = append(rows, []string{string(k.fate), string(k.expected), fmt.Sprint(count[k]), fmt.Sprint(good[k])})
	}
	p.table(rows)
	for _, o := range outcomes {
		if !o.OK {
			p.line("%s: %s, expected %s, got %q %s", o.Device, o.Fate, o.Expected, o.State, o.Detail)
		}
	}
	p.line("")
	return p.err
}

// UpdateCases turns outcomes into JUnit cases.
func UpdateCases(outcomes []ota.Outcome) []Case {
	var out []Case
	for _, o := range outcomes {
		out = append(out, Case{Suite: "ota", Name: o.Device, OK: o.OK, Detail: fmt.Sprintf("%s: expected %s, got %s %s", o.Fate, o.Expected, o.State, o.Detail)})
	}
	return out
}

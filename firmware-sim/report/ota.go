package report

import (
	"fmt"
	"io"
	"text/tabwriter"

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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FATE\tMUST END AS\tDEVICES\tAS EXPECTED")
	for _, k := range order {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\n", k.fate, k.expected, count[k], good[k])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, o := range outcomes {
		if !o.OK {
			fmt.Fprintf(w, "%s: %s, expected %s, got %q %s\n", o.Device, o.Fate, o.Expected, o.State, o.Detail)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

// UpdateCases turns outcomes into JUnit cases.
func UpdateCases(outcomes []ota.Outcome) []Case {
	var out []Case
	for _, o := range outcomes {
		out = append(out, Case{Suite: "ota", Name: o.Device, OK: o.OK, Detail: fmt.Sprintf("%s: expected %s, got %s %s", o.Fate, o.Expected, o.State, o.Detail)})
	}
	return out
}

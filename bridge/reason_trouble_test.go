package bridge

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/reason"
)

const troublePage = "../docs/troubleshooting.md"

// voices are the ways in which a reason reaches a device, each with its table in the page for firmware people.
var voices = []struct {
	section, name, form string
	code                func(*reason.Reason) int
}{
	{"status", "HTTP ", "%d", func(r *reason.Reason) int { return r.Status }},
	{"connack3", "3.x ", "%d", func(r *reason.Reason) int { return int(r.Connack3) }},
	{"connack5", "5 ", "0x%02X", func(r *reason.Reason) int { return int(r.Connack5) }},
	{"disconnect", "DISCONNECT ", "0x%02X", func(r *reason.Reason) int { return int(r.Disconnect) }},
	{"close", "close ", "%d", func(r *reason.Reason) int { return r.Close }},
}

// TestReasonsInTroubleshootingPage: every status, CONNACK, DISCONNECT and close code that the table of reasons can send has a row in the page,
// which names the reasons behind it, and every reason has a row that says what to do. With -update the names of reasons and what
// devices see are written; meanings are written by hand.
func TestReasonsInTroubleshootingPage(t *testing.T) {
	text, err := os.ReadFile(troublePage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, v := range voices {
		labels := make(map[string][]string)
		for _, r := range reason.All() {
			if c := v.code(r); c != 0 {
				code := fmt.Sprintf(v.form, c)
				labels[code] = append(labels[code], "`"+r.Label+"`")
			}
		}
		page = section(t, page, v.section, func(rows [][]string) [][]string { return codeRows(t, v.section, rows, labels) })
	}
	page = section(t, page, "reasons", func(rows [][]string) [][]string { return reasonRows(t, rows) })
	switch {
	case page == string(text):
	case *update:
		if err := os.WriteFile(troublePage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s differs from bridge/reason: run go test ./bridge -run TestReasonsIn -update, and fill in what is empty", troublePage)
	}
}

// codeRows fills in the reasons of each code. A code that the table of reasons does not send is left alone: the broker's, or nobody's.
func codeRows(t *testing.T, section string, rows [][]string, labels map[string][]string) [][]string {
	for i, row := range rows {
		if names, ok := labels[row[0]]; ok {
			rows[i][1] = strings.Join(names, ", ")
			delete(labels, row[0])
		}
	}
	for _, code := range slices.Sorted(maps.Keys(labels)) {
		t.Errorf("%s: the table %s has no row for %s, which %s send(s): write one", troublePage, section, code, strings.Join(labels[code], ", "))
	}
	return rows
}

// reasonRows returns a row for each reason, with what was written by hand.
func reasonRows(t *testing.T, rows [][]string) (out [][]string) {
	do := make(map[string]string)
	for _, row := range rows {
		do[row[0]] = row[2]
	}
	for _, r := range reason.All() {
		var seen []string
		for _, v := range voices {
			if c := v.code(r); c != 0 {
				seen = append(seen, fmt.Sprintf(v.name+v.form, c))
			}
		}
		if len(seen) == 0 {
			seen = []string{"lost connection"}
		}
		label := "`" + r.Label + "`"
		if do[label] == "" {
			t.Errorf("%s: the table of reasons does not say what to do about %s", troublePage, label)
		}
		out = append(out, []string{label, strings.Join(seen, ", "), do[label]})
	}
	return out
}

// section rewrites the rows of the table between two marks.
func section(t *testing.T, page, name string, rewrite func([][]string) [][]string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(page, begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", troublePage, begin, end)
	}
	lines := slices.Collect(strings.Lines(table))
	if len(lines) < 2 {
		lines = []string{"| reason | at the device | what to do |\n", "|---|---|---|\n"}
	}
	var rows [][]string
	for _, line := range lines[2:] {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	b.WriteString(lines[0] + lines[1])
	for _, row := range rewrite(rows) {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return before + begin + b.String() + end + after
}

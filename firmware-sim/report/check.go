package report

import (
	"fmt"
	"io"
	"strings"

	"mqtt-ws-bridge/firmware-sim/check"
)

// Check writes the outcomes of an endpoint check as a table; as Markdown when asked for.
func Check(w io.Writer, url string, outcomes []check.Outcome, markdown bool) error {
	failed := check.Failed(outcomes)
	if markdown {
		fmt.Fprintf(w, "| assertion | what must hold | rule | who breaks otherwise | result | seen |\n|---|---|---|---|---|---|\n")
		for _, o := range outcomes {
			fmt.Fprintf(w, "| `%s` | %s | %s | %s | %s | %s |\n", o.ID, o.Title, o.Rule, strings.Join(o.Breaks, ", "),
				bold(o.Status), strings.ReplaceAll(o.Seen, "|", "\\|"))
		}
		_, err := fmt.Fprintf(w, "\n%d of %d assertions hold.\n", len(outcomes)-failed, len(outcomes))
		return err
	}
	p := &page{w: w}
	rows := [][]string{{"RESULT", "ASSERTION", "SEEN"}}
	for _, o := range outcomes {
		rows = append(rows, []string{string(o.Status), o.ID, fmt.Sprintf("%.*s", columns-36, o.Seen)})
	}
	p.table(rows)
	for _, o := range outcomes {
		if o.Status == check.Fail {
			p.line("\n%s: %s (%s)", o.ID, o.Title, o.Rule)
			p.line("    seen: %s", o.Seen)
			if len(o.Breaks) > 0 {
				p.line("    breaks: %s", strings.Join(o.Breaks, ", "))
			}
		}
	}
	p.line("\n%s: %d of %d assertions hold; verdict: %s", url, len(outcomes)-failed, len(outcomes), verdict(failed == 0))
	return p.err
}

func bold(s check.Status) string {
	if s == check.Fail {
		return "**FAIL**"
	}
	return string(s)
}

// CheckCases turns outcomes into JUnit cases.
func CheckCases(outcomes []check.Outcome) []Case {
	var out []Case
	for _, o := range outcomes {
		out = append(out, Case{Suite: "check", Name: o.ID, OK: o.Status != check.Fail, Skipped: o.Status == check.Skipped,
			Detail: o.Title + ": " + o.Seen})
	}
	return out
}

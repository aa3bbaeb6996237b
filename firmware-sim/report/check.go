package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "RESULT\tASSERTION\tRULE\tSEEN\n")
	for _, o := range outcomes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%.90s\n", o.Status, o.ID, o.Rule, o.Seen)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, o := range outcomes {
		if o.Status == check.Fail {
			fmt.Fprintf(w, "\n%s: %s\n    seen: %s\n", o.ID, o.Title, o.Seen)
			if len(o.Breaks) > 0 {
				fmt.Fprintf(w, "    breaks: %s\n", strings.Join(o.Breaks, ", "))
			}
		}
	}
	_, err := fmt.Fprintf(w, "\n%s: %d of %d assertions hold; verdict: %s\n", url, len(outcomes)-failed, len(outcomes), verdict(failed == 0))
	return err
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

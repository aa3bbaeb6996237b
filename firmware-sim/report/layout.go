package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// columns is how wide a terminal is at least: no table is wider, and longer sentences are folded.
const columns = 80

// page writes lines and tables for people. The first error of its writer stays.
type page struct {
	w   io.Writer
	err error
}

// line writes a sentence, folded between words; what follows its first line is indented.
func (p *page) line(format string, args ...any) {
	p.raw(fold(fmt.Sprintf(format, args...), columns, "    "))
}

func (p *page) raw(text string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, text+"\n")
	}
}

// table writes rows of cells in columns.
func (p *page) table(rows [][]string) {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	for line := range strings.Lines(b.String()) {
		p.raw(strings.TrimRight(line, " \n"))
	}
}

// described writes rows whose last cell is a sentence, which is folded below its own beginning.
func (p *page) described(rows [][]string) {
	widths := make([]int, 0)
	for _, row := range rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row[:len(row)-1] {
			fmt.Fprintf(&b, "%-*s  ", widths[i], cell)
		}
		indent := strings.Repeat(" ", b.Len())
		p.raw(strings.TrimRight(fold(b.String()+row[len(row)-1], columns, indent), " "))
	}
}

// fold breaks a line at spaces so that no line is longer than width, unless a word is; lines after the first begin with indent.
func fold(text string, width int, indent string) string {
	var out strings.Builder
	start := 0 // where words may begin: what a line is indented with stays together
	for utf8.RuneCountInString(text) > width {
		runes := []rune(text)
		at := -1
		for i := width; i > start; i-- {
			if runes[i] == ' ' && runes[i-1] != ' ' {
				at = i
				break
			}
		}
		if at <= len([]rune(indent)) {
			at = -1
			for i := width + 1; i < len(runes); i++ { // a word that does not fit
				if runes[i] == ' ' {
					at = i
					break
				}
			}
		}
		if at < 0 {
			break
		}
		out.WriteString(string(runes[:at]) + "\n")
		text = indent + strings.TrimLeft(string(runes[at:]), " ")
		start = len([]rune(indent))
	}
	out.WriteString(text)
	return out.String()
}

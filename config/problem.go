package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the configuration. Its words carry no secrets.
type Problem struct {
	Key    string // empty when the whole source is wrong
	Source Source
	Text   string // what is wrong
	Fix    string // what to write instead
}

// String is one line: source, key, text and fix.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Source.String() + ": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Text)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return oneLine(b.String())
}

// Problems are all the things wrong at once, in the order of the layers and, in a file, of the lines.
type Problems []Problem

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Source.Layer, b.Source.Layer), cmp.Compare(a.Source.Line, b.Source.Line))
	})
}

// Error is one line per problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// flaw is what is wrong with one value, before it is known where the value came from.
type flaw struct{ text, fix string }

func (f flaw) Error() string { return f.text + "; " + f.fix }

func flawf(fix, format string, args ...any) error {
	return flaw{text: fmt.Sprintf(format, args...), fix: fix}
}

// words takes an error apart into what is wrong and what to write instead.
func words(err error) (text, fix string) {
	var f flaw
	if errors.As(err, &f) {
		return f.text, f.fix
	}
	return err.Error(), ""
}

// oneLine keeps a key or path with control characters from breaking a line or steering a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

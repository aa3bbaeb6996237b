// Package report turns samples into what people read: medians with their spread, Markdown tables and plots as SVG. The same
// samples always give the same bytes.
package report

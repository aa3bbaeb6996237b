package archtest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameRealTests holds the documents to the code: a test, benchmark or fuzz target that they name is there.
func TestDocsNameRealTests(t *testing.T) {
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	mention := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	declared, named := make(map[string]bool), make(map[string]string)
	files(t, func(path string, content []byte) {
		switch {
		case strings.HasSuffix(path, "_test.go"):
			for _, m := range declaration.FindAllSubmatch(content, -1) {
				declared[string(m[1])] = true
			}
		case strings.HasSuffix(path, ".md"):
			for _, m := range mention.FindAllSubmatch(content, -1) {
				named[string(m[1])] = path
			}
		}
	})
	if len(named) == 0 {
		t.Error("no document names a test")
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if !declared[name] {
			t.Errorf("%s names %s, which is nowhere", named[name], name)
		}
	}
}

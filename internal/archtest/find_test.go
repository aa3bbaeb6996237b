package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhereToFind holds the page's list of where to find things to the code: each file is there and declares what to begin at.
func TestWhereToFind(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(page), "\n## Where to find\n")
	if !ok {
		t.Fatal("docs/architecture.md has no section Where to find")
	}
	code := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(list) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(line, "`") {
			continue
		}
		rows++
		declared := make(map[string]bool)
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			for name := range functions(t, m[1]) {
				declared[name] = true
			}
		}
		for _, m := range code.FindAllStringSubmatch(cells[3], -1) {
			if !declared[m[1]] {
				t.Errorf("docs/architecture.md: %s is not declared in%s", m[1], cells[2])
			}
		}
	}
	if rows < 10 {
		t.Errorf("%d rows are read", rows)
	}
}

// functions returns the names of the functions and methods of a file.
func functions(t *testing.T, path string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Errorf("docs/architecture.md: %v", err)
		return nil
	}
	names := make(map[string]bool)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			names[f.Name.Name] = true
		}
	}
	return names
}

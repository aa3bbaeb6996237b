package archtest

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root             = "../.."
	mostFileLines    = 500
	mostFuncLines    = 60
	mostContentBytes = 1 << 20 // of a file that is looked into; a larger one is no text of ours
)

// topLevel is what may stand at the top of the repository, beside dot files.
var topLevel = []string{
	"cmd", "bridge", "wsio", "mqttio", "config", "firmware-sim", "docs", "internal",
	"go.mod", "go.sum", "docker-compose.yml", "Dockerfile", "Makefile", "README.md", "LICENSE",
	"SECURITY.md", "examples",
	"bin", "dist", "coverage.out", // made by the Makefile, not tracked
}

// files calls visit for every file of the repository, with its path from the top.
func files(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == ".git" || name == "node_modules" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err != nil || info.Size() > mostContentBytes {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		path, err = filepath.Rel(root, path)
		visit(filepath.ToSlash(path), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") && !slices.Contains(topLevel, entry.Name()) {
			t.Errorf("%s stands at the top: a new subject goes below one of the rooms", entry.Name())
		}
	}
}

func TestNoPrivateKeys(t *testing.T) {
	key := regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	files(t, func(path string, content []byte) {
		if key.Match(content) {
			t.Errorf("%s holds a private key: tests make theirs", path)
		}
	})
}

func TestGoFilesAreFormattedAndShort(t *testing.T) {
	files(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		formatted, err := format.Source(content)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if !bytes.Equal(content, formatted) {
			t.Errorf("%s is not formatted with gofmt", path)
		}
		if n := bytes.Count(content, []byte("\n")); n > mostFileLines {
			t.Errorf("%s has %d lines, at most %d: it holds more than one subject", path, n, mostFileLines)
		}
	})
}

// TestFunctionsAreShort counts the lines of every function. In tests the lines of a table (a composite literal) are not
// counted: a long list of cases is easier to read in one place, a long course of action is not.
func TestFunctionsAreShort(t *testing.T) {
	files(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, content, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			n := lines(set, function)
			if strings.HasSuffix(path, "_test.go") {
				n -= tableLines(set, function)
			}
			if n > mostFuncLines {
				t.Errorf("%s: %s has %d lines, at most %d", path, function.Name.Name, n, mostFuncLines)
			}
		}
	})
}

func lines(set *token.FileSet, node ast.Node) int {
	return set.Position(node.End()).Line - set.Position(node.Pos()).Line + 1
}

// tableLines counts the lines of the outermost composite literals, but for the first line of each.
func tableLines(set *token.FileSet, function *ast.FuncDecl) int {
	n := 0
	ast.Inspect(function, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if ok {
			n += lines(set, literal) - 1
		}
		return !ok
	})
	return n
}

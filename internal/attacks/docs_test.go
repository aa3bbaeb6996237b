//go:build linux

package attacks

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const attacksInAll = 54

// TestEveryAttackHasATest holds the table of docs/security.md: each attack has a row, and in it all the tests here that are named after
// it, of which there is at least one.
func TestEveryAttackHasATest(t *testing.T) {
	rows := securityRows(t)
	tests := attackTests(t)
	for n := 1; n <= attacksInAll; n++ {
		if len(tests[n]) == 0 {
			t.Errorf("attack %d is not tried", n)
		}
		for _, name := range tests[n] {
			if !strings.Contains(rows[n], "`"+name+"`") {
				t.Errorf("docs/security.md: row %d does not name %s", n, name)
			}
		}
		delete(rows, n)
		delete(tests, n)
	}
	for _, n := range slices.Sorted(maps.Keys(rows)) {
		t.Errorf("docs/security.md has a row %d", n)
	}
	for n, names := range tests {
		t.Errorf("there is no attack %d for %s", n, names)
	}
}

// securityRows are the rows of the table, by number.
func securityRows(t *testing.T) map[int]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "<!-- attacks -->")
	table, _, end := strings.Cut(table, "<!-- end of attacks -->")
	if !ok || !end {
		t.Fatal("docs/security.md has no table of attacks")
	}
	rows := make(map[int]string)
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|.*$`).FindAllStringSubmatch(table, -1) {
		n, _ := strconv.Atoi(row[1])
		if rows[n] != "" {
			t.Errorf("docs/security.md has two rows %d", n)
		}
		rows[n] = row[0]
	}
	return rows
}

// attackTests are the tests of this package, by the number in their names.
func attackTests(t *testing.T) map[int][]string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[int][]string)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range regexp.MustCompile(`(?m)^func (TestAttack(\d\d)_\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(content), -1) {
			n, _ := strconv.Atoi(f[2])
			tests[n] = append(tests[n], f[1])
		}
		if odd := regexp.MustCompile(`(?m)^func TestAttack\d?\D\w*`).Find(content); odd != nil {
			t.Errorf("%s: %s is not named TestAttackNN_name", file, odd)
		}
	}
	return tests
}

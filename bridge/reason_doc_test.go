package bridge

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/reason"
)

var update = flag.Bool("update", false, "write the tables that are made of the code into the documents")

// TestReasonsInOperationsPage holds the page that operators read to the table that the program uses.
func TestReasonsInOperationsPage(t *testing.T) {
	inOperationsPage(t, "reasons", "bridge/reason", reasonsTable())
}

// inOperationsPage holds what is between two marks of docs/operations.md to what is made of the code, or writes it with -update.
func inOperationsPage(t *testing.T, mark, code, want string) {
	t.Helper()
	path, begin, end := "../docs/operations.md", "<!-- "+mark+" -->\n", "<!-- /"+mark+" -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no lines %q and %q", path, begin, end)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s differs from %s: run go test ./bridge -run %s -update", path, code, t.Name())
	}
}

func reasonsTable() string {
	var b strings.Builder
	b.WriteString("| reason | means | HTTP | 3.x | 5 | DISCONNECT | close | level |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range reason.All() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n", r.Label, r.Text, orNone(r.Status, "%d"),
			orNone(int(r.Connack3), "%d"), orNone(int(r.Connack5), "0x%02X"), orNone(int(r.Disconnect), "0x%02X"),
			orNone(r.Close, "%d"), strings.ToLower(r.Level.String()))
	}
	return b.String()
}

func orNone(n int, format string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, n)
}

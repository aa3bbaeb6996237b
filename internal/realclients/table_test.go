package realclients

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/mosquitto"
)

const (
	document = "../../docs/devices.md"
	begin    = "<!-- real clients: begin; written by go test ./internal/realclients -update -->\n"
	end      = "<!-- real clients: end -->\n"
)

func timeout() <-chan time.Time { return time.After(patience) }

// name is the row's beginning in the table, which tells it from every other.
func (r row) name() string {
	return fmt.Sprintf("| %s | %s | %s |", r.library.Name, map[int]string{mqtt311: "3.1.1", mqtt5: "5"}[r.version], r.transport())
}

// table is what the document has to say, with the versions of the libraries by row name.
func table(broker string, versions map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", broker)
	b.WriteString("| Client | MQTT | over |")
	for _, s := range Scenarios {
		fmt.Fprintf(&b, " %s |", s.Name)
	}
	b.WriteString(" ran with |\n" + strings.Repeat("| --- ", len(Scenarios)+4) + "|\n")
	for _, r := range rows(Target{}) {
		b.WriteString(r.name() + strings.Repeat(" yes |", len(Scenarios)) + " " + versions[r.name()] + " |\n")
	}
	return b.String()
}

// finish logs what ran with which versions, and writes or checks the document's table.
func (r *ran) finish(t *testing.T, target Target) {
	for _, row := range rows(target) {
		if version, ok := r.versions[row.name()]; ok {
			t.Logf("%s passed with %s", row.slug(), version)
		}
	}
	if !*update {
		return
	}
	if t.Failed() || len(r.versions) != len(rows(target)) {
		t.Errorf("not every row has run and passed: %s stays as it is", document)
		return
	}
	if *direct {
		t.Errorf("the table is about the bridge: %s stays as it is", document)
		return
	}
	broker := fmt.Sprintf("Through the bridge (Linux, %s) to Mosquitto %s.", runtime.GOARCH, mosquitto.Version())
	before, _, after := splitDocument(t)
	if err := os.WriteFile(document, []byte(before+begin+table(broker, r.versions)+end+after), 0o644); err != nil {
		t.Errorf("write the table: %v", err)
	}
}

// TestTableNamesWhatTheCodeRuns fails when docs/devices.md promises another set of clients or scenarios than the code runs.
func TestTableNamesWhatTheCodeRuns(t *testing.T) {
	_, written, _ := splitDocument(t)
	_, rest, _ := strings.Cut(written, "\n\n")
	// Versions are of the day the table was written; everything else has to be true today.
	versions := regexp.MustCompile(`(?m)\| [^|\n]* \|$`)
	got := versions.ReplaceAllString(rest, "")
	_, rest, _ = strings.Cut(table("", nil), "\n\n")
	want := versions.ReplaceAllString(strings.ReplaceAll(rest, "  |\n", " - |\n"), "")
	if got != want {
		t.Errorf("the table in %s is\n%s\nand the code says\n%s\nrun: go test ./internal/realclients -update", document, got, want)
	}
}

// splitDocument is the document before, in and after the table.
func splitDocument(t *testing.T) (before, inside, after string) {
	t.Helper()
	content, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(content), begin)
	if !ok {
		t.Fatalf("%s has no line %s", document, begin)
	}
	inside, after, ok = strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no line %s", document, end)
	}
	return before, inside, after
}

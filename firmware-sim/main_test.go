package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/internal/faulty"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sim runs a command line.
func sim(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// nobody is a URL where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l := faulty.Listen(t)
	_ = l.Close()
	return "ws://" + l.Addr().String() + "/mqtt"
}

func TestExitCodes(t *testing.T) {
	good, bad, gone := faulty.Start(t).URL, faulty.Start(t, "drops").URL, nobody(t)
	short := []string{"--devices", "2", "--profile", "flutter-dart", "--messages", "10", "--rate", "50", "--drain", "2s"}
	for _, x := range []struct {
		code int
		says string // in standard output or error
		args []string
	}{
		{0, "firmware-sim behaves like", nil},
		{0, "esp32-idf (raw, MQTT 3.1.1, keepalive 2m0s, reconnect 10s)", []string{"profiles"}},
		{0, "verdict: clean", append([]string{"run", "--url", good}, short...)},
		{1, "nothing lost", append([]string{"run", "--url", bad}, short...)},
		{1, "reordered: fsim-1-0000", []string{"run", "--url", faulty.Start(t, "reorders").URL, "--devices", "1", "--qos", "0",
			"--profile", "flutter-dart", "--messages", "20", "--rate", "50", "--drain", "2s"}},
		{3, "is it listening there", append([]string{"run", "--url", gone}, short...)},
		{3, `503 Service Unavailable: "Service Unavailable"`, append([]string{"run", "--url", faulty.Start(t, "refuse-all").URL}, short...)},
		{3, `503 Service Unavailable: "Service Unavailable"`, []string{"load", "--url", faulty.Start(t, "refuse-all").URL, "--duration", "1s"}},
		{2, "want ws://127.0.0.1:8083/mqtt", append([]string{"run", "--url", "127.0.0.1:8083/mqtt"}, short...)},
		{2, "--url is missing", append([]string{"run"}, short...)},
		{2, "want ws://", append([]string{"run", "--url", "http://x"}, short...)},
		{2, "say how long", []string{"run", "--url", good}},
		{2, "no profile", []string{"run", "--url", good, "--messages", "1", "--profile", "nobody"}},
		{2, "unknown flag", []string{"run", "--nonsense"}},
		{2, "did you mean --devices", []string{"run", "--device", "3"}},
		{2, "did you mean esp32-idf", []string{"run", "--url", good, "--messages", "1", "--profile", "esp23-idf"}},
		{2, "no such file", []string{"run", "--url", good, "--messages", "1", "--credentials", "/no/such/file"}},
		{3, "--junit", []string{"run", "--url", gone, "--messages", "1", "--junit", "/no/such/directory/x.xml"}},
		{2, "unknown command", []string{"nonsense"}},
		{2, "--mqtt", []string{"run", "--url", good, "--messages", "1", "--mqtt", "4.2"}},
		{2, "--impair", []string{"run", "--url", good, "--messages", "1", "--impair", "weather=bad"}},
		{2, "{n}", []string{"run", "--url", good, "--messages", "1", "--client-id", "same"}},
		{3, "--tls-ca", []string{"run", "--url", good, "--messages", "1", "--tls-ca", "/no/such/file"}},
		{0, "1 of 1 assertions hold", []string{"check", good, "--only", "101-size"}},
		{1, "breaks: esp32-idf", []string{"check", faulty.Start(t, "long-101").URL, "--only", "101-size"}},
		{2, "one URL", []string{"check"}},
		{2, "want ws://", []string{"check", "tcp://127.0.0.1:1"}},
		{3, "is it listening there", []string{"check", gone}},
		{0, "101-size", []string{"check", "--list"}},
		{0, "verdict: clean", []string{"load", "--url", good, "--mode", "qos1", "--messages", "5", "--duration", "1m", "--devices", "2"}},
		{2, "--rate", []string{"load", "--url", good, "--mode", "idle", "--rate", "5"}},
		{2, "--rate", []string{"load", "--url", good, "--mode", "connect", "--rate", "5"}},
		{2, "--flood", []string{"load", "--url", good, "--mode", "down", "--rate", "5"}},
		{2, "--mode", []string{"load", "--url", good, "--mode", "sideways"}},
		{1, "nothing was received", []string{"load", "--url", good, "--mode", "down", "--devices", "1", "--duration", "200ms"}},
		{3, "could connect", []string{"load", "--url", gone, "--timeout", "1s"}},
		{0, "installed", []string{"ota", "--url", good, "--devices", "3", "--profile", "esp32-idf", "--size", "4KiB", "--drain", "200ms"}},
		{2, "can be updated", []string{"ota", "--url", good, "--devices", "1", "--profile", "avr-arduino"}},
	} {
		code, out, errs := sim(t, x.args...)
		if code != x.code || !strings.Contains(out+errs, x.says) {
			t.Errorf("firmware-sim %s: exit %d, want %d with %q\n%s%s", strings.Join(x.args, " "), code, x.code, x.says, out, errs)
		}
		if code > 1 && strings.Count(errs, "\n") != 1 {
			t.Errorf("firmware-sim %s: the error is not one line:\n%s", strings.Join(x.args, " "), errs)
		}
	}
}

func TestMachineReadableResults(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "out.xml")
	code, out, _ := sim(t, "run", "--url", faulty.Start(t, "drops").URL, "--devices", "1", "--profile", "flutter-dart", "--messages", "10",
		"--rate", "50", "--qos", "0", "--drain", "300ms", "--json", "--junit", junit, "--metrics", "127.0.0.1:0")
	var r fleet.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || r.Clean || r.Delivery.QoS[0].Lost == 0 || r.Names[0] == "" {
		t.Errorf("exit %d, %v: %+v", code, err, r)
	}
	text, err := os.ReadFile(junit)
	if err != nil {
		t.Fatal(err)
	}
	var suites struct {
		Suites []struct {
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &suites); err != nil || len(suites.Suites) != 2 || suites.Suites[0].Failures == 0 {
		t.Errorf("%v: %s", err, text)
	}
}

func TestFailedRunLeavesNoResult(t *testing.T) {
	junit := filepath.Join(t.TempDir(), "out.xml")
	if err := os.WriteFile(junit, []byte("an older result"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := sim(t, "run", "--url", nobody(t), "--messages", "1", "--junit", junit); code != 3 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(junit); !os.IsNotExist(err) {
		t.Errorf("a file is there: %v", err)
	}
}

func TestCredentialsFromCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "devices.csv")
	if err := os.WriteFile(path, []byte("alpha,u1,p1\nbeta,u2,p2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--url", faulty.Start(t).URL, "--devices", "2", "--profile", "esp32-idf", "--messages", "2", "--rate", "50", "--trace",
		"--credentials", path}
	code, _, errs := sim(t, args...)
	if code != 0 || !strings.Contains(errs, "alpha up") || !strings.Contains(errs, "beta down binary") {
		t.Errorf("exit %d: %.400s", code, errs)
	}
	if err := os.WriteFile(path, []byte("alpha,u1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = sim(t, args...); code != 3 || !strings.Contains(errs, "client-id,username,password") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

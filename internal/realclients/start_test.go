package realclients

import (
	"bytes"
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
)

// TestPrintedLinesWork types what the program prints at its start, whatever it listens on, with the tools that the lines name.
func TestPrintedLinesWork(t *testing.T) {
	install.Debian(t, "mosquitto-clients")
	modules := install.NPM(t, "testdata/npm")
	binary := bridgeproc.Build(t)
	pair := certs.New(t).Server(t, "bridge.example")
	secure := []string{"--tls.cert", pair.CertFile, "--tls.key", pair.KeyFile}
	for name, args := range map[string][]string{
		"everywhere":    {"--listen", ":0"},
		"one address":   {"--listen", "127.88.1.2:0", "--embedded.listen", "127.88.1.3:0"},
		"IPv6":          {"--listen", "[::1]:0"},
		"one path":      {"--listen", "127.0.0.1:0", "--paths", "/devices/v1.0"},
		"TLS":           append([]string{"--listen", "wss://127.0.0.1:0"}, secure...),
		"behind socket": append([]string{"--listen", "unix://" + t.TempDir() + "/s", "--listen", "wss://:0", "--paths", "/x"}, secure...),
	} {
		t.Run(name, func(t *testing.T) {
			printed := printedBy(t, binary, append([]string{"--embedded.listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, args...)...)
			lines := map[string]string{}
			for _, m := range regexp.MustCompile(`(?m)^  (\w+): +(.+)$`).FindAllStringSubmatch(printed, -1) {
				lines[m[1]] = m[2]
			}
			if lines["watch"] == "" || lines["publish"] == "" || lines["look"] == "" {
				t.Fatalf("printed:\n%s", printed)
			}
			typedTogether(t, modules, lines["watch"], lines["publish"])
			others := regexp.MustCompile(`(wss?)://(.+):(\d+)(/\S+) +from other machines`).FindStringSubmatch(printed)
			if others != nil {
				line := strings.Replace(lines["publish"], "127.0.0.1", others[2], 1)
				if !strings.Contains(line, " --path ") {
					line += " --path " + others[4]
				}
				typedTogether(t, modules, lines["watch"], line)
			}
		})
	}
}

// printedBy starts the program until the end of the test and returns what it prints at its start.
func printedBy(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var printed bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(printed.String(), "Ctrl-C"); {
		n, err := out.Read(buf)
		printed.Write(buf[:n])
		if err != nil {
			t.Fatalf("printed %v:\n%s", err, &printed)
		}
	}
	return printed.String()
}

// typedTogether runs both lines in a shell, the second again and again until the first prints what it published.
func typedTogether(t *testing.T, modules, watch, publish string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	watching := typed(ctx, modules, watch)
	seen, err := watching.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watching.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = watching.Wait()
	}()
	heard := make(chan string, 1) // of one: it is told even if nobody waits any more
	go hearFirst(seen, heard)
	for {
		if out, err := typed(ctx, modules, publish).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", publish, err, out)
		}
		select {
		case got := <-heard:
			if got != "hello world\n" {
				t.Errorf("%s sees %q of %s", watch, got, publish)
			}
			return
		case <-time.After(100 * time.Millisecond): // until the watching one has subscribed
		}
	}
}

// typed is a line in a shell in a directory whose packages npx takes. It ends, with what it started, when ctx does.
func typed(ctx context.Context, modules, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = modules
	ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// hearFirst tells the first bytes that come.
func hearFirst(from interface{ Read([]byte) (int, error) }, heard chan<- string) {
	buf := make([]byte, 256)
	n, _ := from.Read(buf)
	heard <- string(buf[:n])
}

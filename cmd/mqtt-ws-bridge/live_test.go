package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/config"
)

// TestReloadKeyByKey: the log names every key that has changed and whether it is in effect, and those that are, are.
func TestReloadKeyByKey(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) {
		cfg.Paths, cfg.Limits.Sessions = []string{"/old"}, 5
		cfg.Access.Rules = []config.AccessRule{{Allow: "all", Topics: []string{"#"}}}
	})
	next := *p.cfg
	p.load = func() (*config.Config, error) { return &next, nil }
	status := func(path string) string {
		nc := dialDevices(t, p)
		send(t, nc, strings.Replace(upgradeHead, "/mqtt", path, 1)+offer+"\r\n")
		answer := make([]byte, 12)
		if _, err := io.ReadFull(nc, answer); err != nil {
			t.Fatal(err)
		}
		return string(answer[9:])
	}
	if !p.reloadConfig() {
		t.Error("the same configuration is not good")
	}
	log.await(t, "configuration loaded; nothing in it has changed", "")
	if old, none := status("/old"), status("/new"); old != "101" || none != "404" {
		t.Errorf("before: %s and %s", old, none)
	}

	next.Paths, next.Limits.Sessions, next.Limits.Dials, next.Drain.Rate = []string{"/new"}, 4, 7, 99
	next.Access.Rules = []config.AccessRule{{Deny: "all", Topics: []string{"#"}}}
	next.Limits.WriteTimeout = 1e9
	next.EventLoops = "off"
	if !p.reloadConfig() {
		t.Error("a good configuration is refused")
	}
	line := log.await(t, "configuration loaded", "")
	const live, later = "[paths access.rules limits.sessions limits.write-timeout drain.rate]", "[limits.dials event-loops]"
	if fmt.Sprint(line["in_effect"]) != live || fmt.Sprint(line["after_restart"]) != later || line["level"] != "WARN" {
		t.Errorf("logged as %v", line)
	}
	if old, none := status("/old"), status("/new"); old != "404" || none != "101" {
		t.Errorf("after: %s and %s", old, none)
	}
	if now := p.running.Load(); now.Drain.Rate != 99 || now.Limits.Dials == 7 || now.EventLoops == "off" {
		t.Error("what is said to be in effect is not what is")
	}

	log.reset()
	next.Limits.Sessions = 6 // more than descriptors were shared out for
	if p.reloadConfig(); fmt.Sprint(log.await(t, "configuration loaded", "")["after_restart"]) != "[limits.sessions limits.dials event-loops]" {
		t.Error("more sessions are promised than there are descriptors for")
	}
}

// TestReloadAllOrNothing: a part that cannot take its value leaves every other as it is.
func TestReloadAllOrNothing(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) {
		cfg.Access.Rules = []config.AccessRule{{Allow: "all", Topics: []string{"#"}}}
	})
	next := *p.cfg
	p.load = func() (*config.Config, error) { return &next, nil }
	next.Paths, next.Access.Sources = []string{"/new"}, []config.AccessSource{{Type: "basic", File: "/nowhere"}}
	if p.reloadConfig() || p.running.Load().Paths[0] == "/new" {
		t.Errorf("paths are %v", p.running.Load().Paths)
	}
	if line := log.await(t, "the configuration is not used; what was in use stays", ""); !strings.Contains(fmt.Sprint(line["error"]), "access.sources[0]") {
		t.Errorf("logged as %v", line)
	}
	log.reset()
	p.load = func() (*config.Config, error) { return nil, errors.New("broken") }
	if p.reloadConfig() {
		t.Error("a broken configuration is good")
	}
	if line := log.await(t, "the configuration is not used; what was in use stays", ""); line["error"] != "broken" {
		t.Errorf("logged as %v", line)
	}
}

// TestReloadAtHangup: the program reads its file again, for the level of the log too, and says of a broken one that it does not.
func TestReloadAtHangup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bridge.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits: {sessions: 100}\n")
	p := start(t, "--config", file)
	write("limits: {sesions: 100}\n")
	if line := p.hangUp("the configuration is not used; what was in use stays"); !strings.Contains(fmt.Sprint(line["error"]), "did you mean limits.sessions?") {
		t.Errorf("logged as %v", line)
	}
	write("limits: {sessions: 50}\nlog: {level: debug}\norigins: [http://a]\nevent-loops: \"off\"\n")
	line := p.hangUp("configuration loaded")
	if fmt.Sprint(line["in_effect"]) != "[origins limits.sessions log.level]" || fmt.Sprint(line["after_restart"]) != "[event-loops]" {
		t.Errorf("logged as %v", line)
	}
	ws, resp, err := websocket.Dial(t.Context(), p.device, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		t.Fatal(err, resp)
	}
	t.Cleanup(func() { _ = ws.CloseNow() })
	p.wait("device connected")
}

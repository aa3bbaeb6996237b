package bridge_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// TestStrangersTextInLogs: nothing of it commands a terminal or turns a line around (attack 42). What JSON escapes stays.
func TestStrangersTextInLogs(t *testing.T) {
	r := newRig(t, nil)
	for text, want := range map[string]string{
		"pump\r\n\x1b[2J":  "pump\r\n\x1b[2J",
		"\u009b31m\u007f":  "\uFFFD31m\uFFFD",
		"\u202egnp\u2028x": "\uFFFDgnp\uFFFDx",
		"\xff\xfePumpe-Ä7": "\uFFFDPumpe-Ä7",
	} {
		r.bridge.Refused(reason.Path, "192.0.2.1:1", text)
		lines := r.log.ends(t)
		if got := lines[len(lines)-1]["user_agent"]; got != want {
			t.Errorf("%q is logged as %q, want %q", text, got, want)
		}
	}
}

// TestCodesAreWords: the log says what the broker said in words, and whom it refused unless that may be a secret.
func TestCodesAreWords(t *testing.T) {
	const withPassword, alone = "10 18 0004'MQTT' 04 C2 003C 0001'c' 0005'alice' 0002'pw'", "10 14 0004'MQTT' 04 82 003C 0001'c' 0005'token'"
	for _, c := range []struct {
		v                   mqttio.Version
		connect, connack    string
		username, wantError string
	}{
		{v: mqttio.V311, connect: withPassword, connack: "20020005", wantError: "CONNACK not authorized (0x05)", username: "alice"},
		{v: mqttio.V311, connect: alone, connack: "20020004", wantError: "CONNACK bad user name or password (0x04)"},
		{v: mqttio.V5, connack: "2003008A00", wantError: "CONNACK banned (0x8A)"},
		{v: mqttio.V311, connect: strings.Replace(withPassword, "alice", "a?key", 1), connack: "20020009",
			wantError: "CONNACK code 0x09, which MQTT 3.1.1 does not have", username: "a"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{rig: newRig(t, nil), v: c.v}
			s.upgrade()
			packet := s.connect()
			if c.connect != "" {
				packet = hx(c.connect)
			}
			s.dev.send(packet)
			s.br = s.broker()
			s.br.expect(packet)
			s.br.send(hx(c.connack))
			s.settled()
			line := s.log.ends(t)[0]
			username, _ := line["username"].(string)
			if line["error"] != c.wantError || username != c.username || strings.Contains(s.log.String(), "token") || strings.Contains(s.log.String(), "key") {
				t.Errorf("logged as %v", line)
			}
		})
	}
}

// TestFactsAreBounded: what a refusal is told of a request is cut, and escaped, and a browser's name is there.
func TestFactsAreBounded(t *testing.T) {
	r := newRig(t, nil)
	const edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.91"
	r.bridge.RefusedFor(reason.Path, "192.0.2.1:1", edge, errors.New(strings.Repeat("e", 5000)), slog.String(bridge.KeyPath, "/\u009b"+strings.Repeat("p", 5000)))
	line := r.log.ends(t)[0]
	path, text := line["path"].(string), line["error"].(string)
	if line["user_agent"] != edge || len(path) > 300 || len(text) > 600 || !strings.HasPrefix(path, "/\uFFFDppp") {
		t.Errorf("logged as %v", line)
	}
}

// TestOnlineDeviceInLog: at level debug a device is seen from its connection on, and session began is an info line if that is wanted.
func TestOnlineDeviceInLog(t *testing.T) {
	for _, connects := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := &scene{rig: newRigWith(t, bridge.Options{Limits: plenty(), LogConnects: connects}), v: mqttio.V311}
			s.online()
			subscribe := hx("82 0C 0001 0001'a' 00 0003'b/#' 01")
			s.dev.send(subscribe)
			s.br.expect(subscribe)
			synctest.Wait()
			log := s.log.String()
			for _, want := range []string{`"msg":"device connected","session":1,"device":"`, `"msg":"CONNECT","session":1,`,
				`"client_id":"c","mqtt":"3.1.1","keep_alive":60000000000,"clean_start":true`, `"msg":"session began","session":1,`, `"broker":"memory"`,
				`"msg":"SUBSCRIBE"`, `"filters":["a","b/#"],"filter_count":2`} {
				if !strings.Contains(log, want) {
					t.Errorf("no %s in\n%s", want, log)
				}
			}
			if strings.Contains(log, `"level":"INFO","msg":"session began"`) != connects {
				t.Errorf("log.connects is %v:\n%s", connects, log)
			}
		})
	}
}

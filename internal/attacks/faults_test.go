//go:build linux

package attacks

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestAttack32_reconnect_storm: many devices at once all get in, those that are told to wait as soon as they ask again.
func TestAttack32_reconnect_storm(t *testing.T) {
	const devices = 300
	k := plain(t)
	connected := make(chan *device, devices)
	for i := range devices {
		go func() {
			var d *device
			defer func() { connected <- d }()
			d = storm(t, k, i)
		}()
	}
	var online []*device
	for range devices {
		d := <-connected
		if d == nil {
			t.Fatal("a device does not get in")
		}
		online = append(online, d)
	}
	for _, d := range online {
		d.alive()
	}
	if n := metrics(t, k.bridge)["mqtt_ws_bridge_sessions"]; n != devices+1 {
		t.Errorf("there are %v sessions", n)
	}
}

// storm connects a device, as often as needed, and returns it, or nil if it does not get in.
func storm(t *testing.T, k *attack, i int) *device {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		d := reach(t, k.bridge.WS).say(goodHello)
		answer, err := http.ReadResponse(d.r, nil)
		switch {
		case err != nil || answer.StatusCode == http.StatusServiceUnavailable && answer.Header.Get("Retry-After") != "":
			_ = d.Close()
			continue
		case answer.StatusCode == http.StatusSwitchingProtocols:
			d.send(hello{version: 4, id: fmt.Sprint("storm-", i)}.packet())
			if got, err := d.message(); err == nil && got == connack(4) {
				return d
			}
		}
		_ = d.Close()
	}
	return nil
}

// TestAttack32_drain: a bridge that goes sends its devices away a few at a time, and tells new ones when to come again.
func TestAttack32_drain(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + broker.TCP, Args: append([]string{"--drain.rate", "5"}, shortLimits...),
	})
	k := &attack{arena: &arena{bridge: bridge, broker: broker}, t: t} // without an innocent device: all of them go
	var devices []*device
	for i := range 40 {
		devices = append(devices, online(t, k, hello{version: 5, id: fmt.Sprint("drained-", i)}))
	}
	began := time.Now()
	k.bridge.Signal(syscall.SIGTERM)
	if !eventually(func() bool { return strings.Contains(k.said(), "draining") }) {
		t.Fatal("the bridge does not drain")
	}
	status, header := reach(t, k.bridge.WS).say(goodHello).refusal()
	if status != 503 || header.Get("Retry-After") == "" {
		t.Errorf("a new device is answered with %d %v", status, header)
	}
	for _, d := range devices {
		if got := d.wantEnd(1001); !strings.Contains(got, "\x8b") {
			t.Errorf("a device hears %x", got)
		}
	}
	bridge.Wait()
	if took := time.Since(began); took < 4*time.Second {
		t.Errorf("40 devices were sent away in %v, at 5 a second", took)
	}
}

// TestAttack33_flood: more connections than there are descriptors. Devices that are there stay, the operator is answered, files that
// are read again change nothing, and when the flood is over new devices get in.
func TestAttack33_flood(t *testing.T) {
	dir := t.TempDir()
	users := writeFile(t, dir, "users", user(t, "pump", "password"))
	config := writeFile(t, dir, "bridge.yaml", `{"access":{"sources":[{"type":"basic","file":`+fmt.Sprintf("%q", users)+`}]}}`)
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + broker.TCP,
		Wrapper: []string{"sh", "-c", `ulimit -n 64; exec "$@"`, "sh"},
		Args:    append(shortLimits[:len(shortLimits):len(shortLimits)], "--config", config, "--limits.handshakes", "1000"),
	})
	header := http.Header{"Authorization": {basic("pump", "password")}}
	a := &arena{bridge: bridge, broker: broker, innocent: befriend(t, bridge.WS+"/mqtt", header)}
	k := a.begin(t)
	var flood []*device
	for range 400 {
		flood = append(flood, reach(t, bridge.WS).say(goodPath))
	}
	k.innocent.goesOn(t)
	bridge.Signal(syscall.SIGHUP)
	k.innocent.goesOn(t)
	if !eventually(func() bool { return strings.Contains(k.said(), "access files") }) {
		t.Error("SIGHUP is not answered")
	}
	for _, d := range flood {
		_ = d.Close()
	}
	if !eventually(func() bool {
		d := reach(t, bridge.WS).say(with(authorization(basic("pump", "password"))))
		answer, err := http.ReadResponse(d.r, nil)
		_ = d.Close()
		return err == nil && answer.StatusCode == 101
	}) {
		t.Error("after the flood no device gets in")
	}
	if status, _ := reach(t, bridge.WS).say(with(authorization(basic("pump", "wrong")))).refusal(); status != 401 {
		t.Errorf("after the flood a wrong password is answered with %d", status)
	}
}

// TestAttack49_admin: what the operator has is not on the port of devices (/healthz there is health-path, which says what any device hears), and the number of series does not grow with devices.
func TestAttack49_admin(t *testing.T) {
	k := plain(t)
	for _, path := range []string{"/metrics", "/readyz", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		for _, request := range []string{"GET " + path + " HTTP/1.1\r\n" + hostLine + "\r\n", instead("/mqtt ", path+" ")} {
			if status, _ := reach(t, k.bridge.WS).say(request).refusal(); status != 404 {
				t.Errorf("%q is answered with %d", request, status)
			}
		}
	}
	leave := func(prefix string) int {
		for i := range 30 {
			online(t, k, hello{version: 4, id: fmt.Sprint(prefix, i)}).send(publish(fmt.Sprint(prefix, "topic", i), ""), disconnect).wantEnd(1000)
		}
		return len(metrics(t, k.bridge))
	}
	first := leave("series-a-")
	if second := leave("series-b-"); second != first {
		t.Errorf("%d series have become %d", first, second)
	}
	if strings.Contains(ask(t, k.bridge, "/metrics"), "series-") {
		t.Error("a client identifier or a topic is in the metrics")
	}
}

// idleMemory is what an idle device may have reachable: the figure is for growth to be noticed, docs/benchmarks.md has the real cost.
const idleMemory = 8 << 10

// TestAttack50_idle_devices: what many idle devices hold, and that it is given back.
func TestAttack50_idle_devices(t *testing.T) {
	const devices = 300
	k := plain(t)
	var idle []*device
	for i := range devices {
		idle = append(idle, online(t, k, hello{version: 4, id: fmt.Sprint("idle-", i)}))
	}
	var each int64
	if !eventually(func() bool {
		now := take(t, k.bridge)
		each = (now.memory - k.before.memory) / devices
		return each <= idleMemory && now.goroutines < k.before.goroutines+devices/2 // quiet ones own none
	}) {
		t.Errorf("an idle device holds %d bytes, at most %d; %v", each, idleMemory, take(t, k.bridge))
	}
	t.Logf("an idle device holds %d bytes", each)
	for _, d := range idle {
		_ = d.Close()
	}
}

// TestAttack51_leaks: every way to go, again and again; nothing may be left, which the end of the test looks for. This bridge collects no
// garbage until then, because the collector closes a forgotten socket.
func TestAttack51_leaks(t *testing.T) {
	k := openPlain(t, "env", "GOGC=off").begin(t)
	ways := map[string]func() *device{
		"before the request": func() *device { return reach(t, k.bridge.WS) },
		"in the request":     func() *device { return reach(t, k.bridge.WS).say(goodPath + "X: ") },
		"in TLS":             func() *device { return reach(t, k.bridge.WSS).say("\x16\x03\x01\x02\x00") },
		"refused":            func() *device { return reach(t, k.bridge.WS).say(instead(offerLine, "")) },
		"before CONNECT":     func() *device { return open(t, k) },
		"in CONNECT":         func() *device { return open(t, k).send("\x10\x7f") },
		"before CONNACK":     func() *device { return open(t, k).send(hello{version: 4, id: "leak"}.packet()) },
		"online":             func() *device { return online(t, k, hello{version: 4, id: "leak"}) },
		"settled":            func() *device { return online(t, k, hello{version: 4, id: "leak"}).settle() },
		"in a packet":        func() *device { return online(t, k, hello{version: 4, id: "leak"}).send("\x30\x7f\x00") },
		"in a frame":         func() *device { return online(t, k, hello{version: 4, id: "leak"}).say(frame(data, pingreq)[:7]) },
		"online over TLS": func() *device {
			return reach(t, k.bridge.WSS).secure(tlsTo("")).upgraded(goodHello).join(hello{version: 4, id: "leak"})
		},
		"malformed":   func() *device { return online(t, k, hello{version: 4, id: "leak"}).send("\x00\x00") },
		"DISCONNECT":  func() *device { return online(t, k, hello{version: 4, id: "leak"}).send(disconnect) },
		"close frame": func() *device { return online(t, k, hello{version: 5, id: "leak"}).say(frame(closing, "\x03\xe8")) },
	}
	for range 8 {
		for _, begin := range ways {
			_ = begin().Close()
			d := begin()
			_ = tcp(d.Conn).SetLinger(0) // the end is a reset
			_ = d.Close()
		}
	}
	closedAll(t, k.bridge, k.before)
	if was, is := k.counted[collections], metrics(t, k.bridge)[collections]; was == 0 || is != was {
		t.Errorf("garbage was collected, which hides leaks: %v times before, %v after", was, is)
	}
}

// TestAttack53_start: a configuration that is broken, or that would protect less than it says, starts nothing.
func TestAttack53_start(t *testing.T) {
	dir := t.TempDir()
	empty := writeFile(t, dir, "empty", "")
	file := func(text string) string { return writeFile(t, t.TempDir(), "bridge.yaml", text) }
	source := func(text string) string { return file(`{"access":{"sources":[` + text + `]}}`) }
	for name, config := range map[string]string{
		"empty file":           empty,
		"no file":              filepath.Join(dir, "missing"),
		"a directory":          dir,
		"unknown key":          file("limits: {sesions: 5}"),
		"key set twice":        file("listen: [':1']\nlisten: [':2']"),
		"not YAML":             file("\x00\x01"),
		"empty users":          source(fmt.Sprintf(`{"type":"basic","file":%q}`, empty)),
		"missing users":        source(`{"type":"basic","file":"/missing/users"}`),
		"half-readable users":  source(fmt.Sprintf(`{"type":"basic","file":%q}`, writeFile(t, dir, "users", user(t, "pump", "x")+"junk\n"))),
		"empty key":            source(fmt.Sprintf(`{"type":"token","in":"bearer","issuer":"i","audience":["a"],"keys":[{"file":%q,"algorithm":"HS256"}]}`, empty)),
		"empty key set":        source(fmt.Sprintf(`{"type":"token","in":"bearer","issuer":"i","audience":["a"],"key-set":%q}`, empty)),
		"no audience":          source(fmt.Sprintf(`{"type":"token","in":"bearer","issuer":"i","keys":[{"file":%q,"algorithm":"HS256"}]}`, empty)),
		"unknown source":       source(`{"type":"nothing"}`),
		"rule without topics":  file(`{"access":{"rules":[{"allow":"all","topics":[]}]}}`),
		"empty client CA":      file(fmt.Sprintf(`{"listen":["wss://127.0.0.1:0"],"tls":{"client-auth":"require","client-ca":%q}}`, empty)),
		"cookie, no origins":   source(fmt.Sprintf(`{"type":"token","in":"cookie","name":"c","issuer":"i","audience":["a"],"keys":[{"file":%q,"algorithm":"HS256"}]}`, writeFile(t, dir, "key", strings.Repeat("k", 40)))),
		"everybody is trusted": file(`{"addresses":{"header":"x-forwarded-for","trusted-proxies":["0.0.0.0/0"]}}`),
	} {
		t.Run(name, func(t *testing.T) {
			for _, command := range [][]string{{}, {"check-config"}} {
				args := append(command, "--config", config, "--upstream", "tcp://127.0.0.1:1", "--admin", "off")
				cmd := exec.CommandContext(t.Context(), program(t), args...)
				out, _ := cmd.CombinedOutput()
				if code := cmd.ProcessState.ExitCode(); code != 2 && code != 1 || len(out) == 0 {
					t.Errorf("%q ends with %d and says %q", args, code, out)
				}
			}
		})
	}
}

// TestAttack54_disk_full: logs may be lost, devices are served.
func TestAttack54_disk_full(t *testing.T) {
	broker := mosquitto.Start(t, mosquitto.Options{})
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + broker.TCP, Args: shortLimits, Wrapper: []string{"sh", "-c", `exec "$@" 2>/dev/full`, "sh"},
	})
	a := &arena{bridge: bridge, broker: broker, innocent: befriend(t, bridge.WS+"/mqtt", http.Header{})}
	k := a.begin(t)
	for i := range 50 {
		online(t, k, hello{version: 4, id: fmt.Sprint("unlogged-", i)}).send(disconnect).wantEnd(1000)
	}
	if k.said() != "" {
		t.Errorf("the log is not lost, which this test needs: %s", k.said())
	}
}

// TestAttack54_no_name: a broker whose name is not known is a broker that is down; the name is asked for again each time.
func TestAttack54_no_name(t *testing.T) {
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://broker.invalid:1883", Unready: true, Args: []string{"--upstream.dial-timeout", "1s"},
	})
	for range 3 {
		status, header := reach(t, bridge.WS).say(goodHello).refusal()
		if status != 503 || header.Get("Retry-After") == "" {
			t.Errorf("the device is answered with %d %v", status, header)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/loopback"
)

// startBroker runs a broker in this process and returns its URL.
func startBroker(t *testing.T) string {
	t.Helper()
	address := loopback.Address(t, loopback.Host())
	e, listenErr, err := upstream.NewEmbedded(address)
	if err != nil || listenErr != nil {
		t.Fatal(err, listenErr)
	}
	t.Cleanup(func() { _ = e.Close() })
	return "tcp://" + address
}

// limited runs a program that may open so many files.
func limited(files int) []string {
	return []string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, files), "sh"}
}

// handshake asks for a WebSocket and returns it, or the answer and what it says.
func (p *program) handshake() (ws *websocket.Conn, answer *http.Response, said string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	ws, answer, err := websocket.Dial(ctx, p.device, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err == nil {
		p.t.Cleanup(func() { _ = ws.CloseNow() })
		return ws, answer, ""
	}
	if answer == nil {
		p.t.Fatal(err)
	}
	b, _ := io.ReadAll(answer.Body)
	return nil, answer, string(b)
}

// refuses makes a handshake and sees that the device gets 503 for this reason.
func (p *program) refuses(reason string) {
	p.t.Helper()
	ws, answer, said := p.handshake()
	if ws != nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") != "30" ||
		!strings.HasPrefix(said, reason+": ") {
		p.t.Errorf("device gets %s, %v: %s, want 503 for %s", answer.Status, answer.Header, said, reason)
	}
}

// takes makes handshakes until a device is let in.
func (p *program) takes() {
	p.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		ws, answer, said := p.handshake()
		if ws != nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("device still gets %s: %s", answer.Status, said)
		}
	}
}

// alive sees that a device gets its PINGRESP.
func alive(t *testing.T, ws *websocket.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageBinary, []byte{0xc0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, b, err := ws.Read(ctx); err != nil || string(b) != "\xd0\x00" {
		t.Fatalf("instead of PINGRESP: % x, %v", b, err)
	}
}

// metric returns a sample of the bridge's own without labels, or with them if name has some.
func (p *program) metric(name string) float64 {
	p.t.Helper()
	return p.sample("mqtt_ws_bridge_" + name)
}

// awaitMetric waits until metric returns this.
func (p *program) awaitMetric(name string, want float64) {
	p.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); p.metric(name) != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s is %v, want %v", name, p.metric(name), want)
		}
	}
}

func (p *program) sample(name string) (value float64) {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Get("http://" + p.admin + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			if _, err := fmt.Sscan(text, &value); err != nil {
				p.t.Fatal(err)
			}
			return value
		}
	}
	p.t.Fatalf("no metric %s", name)
	return 0
}

// count returns how many lines were logged with this message.
func (p *program) count(message string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.log {
		if m["msg"] == message {
			n++
		}
	}
	return n
}

// TestAttack33_descriptors: a program with few descriptors takes as many sessions as those are enough for, tells the next device when
// to come again, and has some left for a flood of connections, for the operator and for the broker's probe.
func TestAttack33_descriptors(t *testing.T) {
	const most, enough = 160, 45
	p := startIn(t, limited(most), "--upstream", startBroker(t), "--limits.sessions", "100", "--upstream.health-interval", "50ms")
	warned := p.wait("too few file descriptors for limits.sessions; raise the limit (ulimit -n, LimitNOFILE) or lower the key")
	if warned["enough_for"] != float64(enough) || warned["needed"] != float64(2*100+1024+64) {
		t.Errorf("warned with %v", warned)
	}
	var devices []*websocket.Conn
	for i := range byte(enough) {
		devices = append(devices, p.online('A'+i))
	}
	for range 20 {
		p.refuses("descriptors-full")
	}
	if status, said := p.ready(); status != http.StatusServiceUnavailable || !strings.HasPrefix(said, "descriptors-full") {
		t.Errorf("/readyz says %d %s", status, said)
	}
	for range 2 * most { // connections that never say a word
		nc, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.device, "ws://"), "/mqtt"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
	}
	for _, ws := range devices {
		alive(t, ws)
	}
	p.wait("running short; new devices get 503")
	if n := p.metric(`refusals_total{reason="descriptors-full"}`); n != 20 {
		t.Errorf("%v refusals are counted", n)
	}
	if used, limit := p.metric("descriptors_used"), p.metric("descriptors_limit"); limit != most || used < 2*enough || used >= most {
		t.Errorf("%v of %v descriptors are said to be used", used, limit)
	}
	if n := p.count("running short; new devices get 503"); n != 1 {
		t.Errorf("%d lines say that descriptors get short", n)
	}
	if n := p.count("broker does not answer; devices get 503 until one does"); n != 0 || p.metric("accept_errors_total") != 0 {
		t.Errorf("the broker was given up %d times, %v connections could not be taken", n, p.metric("accept_errors_total"))
	}
}

// TestDescriptorsComeFree: a device that leaves makes room for another at once.
func TestDescriptorsComeFree(t *testing.T) {
	// The devices say no CONNECT, and none is to be gone for that before the last has come.
	p := startIn(t, limited(64), "--upstream", startBroker(t), "--limits.connect-timeout", "10m")
	first := p.online('a')
	for sessions := 2.0; sessions <= 18; sessions++ {
		p.takes()
		p.awaitMetric("sessions", sessions) // which follows the 101
	}
	p.refuses("descriptors-full")
	_ = first.CloseNow()
	p.takes()
	p.awaitMetric("sessions", 18)
	p.refuses("descriptors-full")
}

// TestAttack50_memory: devices that each have the bridge hold half a packet hold no more together than is set aside for packets. Some of
// them are ended for others that wait, one that publishes notices nothing, and when they have gone nothing is held.
func TestAttack50_memory(t *testing.T) {
	p := start(t, "--upstream", startBroker(t), "--limits.memory", "32MiB")
	if n := p.sample("go_gc_gomemlimit_bytes"); n != 24<<20 {
		t.Errorf("the runtime's own limit is %v, want what the program's pages leave", n)
	}
	innocent := p.online('i')
	half := make([]byte, 60<<10) // of a PUBLISH of 64000 bytes
	copy(half, "\x30\x80\xf4\x03\x00\x01t")
	var devices []*websocket.Conn
	for i := range 300 {
		ws, answer, said := p.handshake()
		if ws == nil {
			t.Fatalf("device %d gets %s: %s", i, answer.Status, said)
		}
		connect := fmt.Sprintf("\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04%04d", i)
		for _, b := range [][]byte{[]byte(connect), half} {
			if err := ws.Write(t.Context(), websocket.MessageBinary, b); err != nil {
				t.Fatal(err)
			}
		}
		devices = append(devices, ws)
	}
	for deadline := time.Now().Add(60 * time.Second); p.count("session ended") == 0; time.Sleep(50 * time.Millisecond) {
		alive(t, innocent)
		held, limit := p.metric("packet_memory_bytes"), p.metric("packet_memory_limit_bytes")
		if held > limit || limit > 4<<20 {
			t.Fatalf("%v bytes of %v are held", held, limit)
		}
		if time.Now().After(deadline) {
			t.Fatal("no session that holds a packet has ended")
		}
	}
	if n := p.metric(`session_ends_total{reason="memory-short"}`); n == 0 {
		t.Error("sessions ended for another reason")
	}
	if n := p.metric("packet_memory_waiting"); n == 0 {
		t.Error("no device waits")
	}
	for _, ws := range devices {
		_ = ws.CloseNow()
	}
	p.awaitMetric("packet_memory_bytes", 0)
	alive(t, innocent)
}

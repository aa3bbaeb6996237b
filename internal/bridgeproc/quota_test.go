package bridgeproc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"mqtt-ws-bridge/internal/mosquitto"
)

const patience = 60 * time.Second // on a busy machine

// quotaRig is a bridge with quotas in front of a Mosquitto.
type quotaRig struct {
	t      *testing.T
	broker *mosquitto.Broker
	bridge *Bridge
}

// TestQuotas holds the quotas against the built program: a greedy device is held back and loses nothing, while an innocent one beside
// it notices nothing; connections beyond the quota of a user name or an address are refused where that is known.
func TestQuotas(t *testing.T) {
	users := map[string]string{"greedy": "g", "innocent": "i", "observer": "o"}
	broker := mosquitto.Start(t, mosquitto.Options{Users: users})
	const perSecond, burst, messages = 10, 10, 150
	bridge := Start(t, Options{Binary: Build(t), Upstream: "tcp://" + broker.TCP, Args: []string{
		"--quotas.identity.messages-up", fmt.Sprint(perSecond), "--quotas.burst", "1s", "--quotas.identity.connections", "1",
		"--quotas.address.connections", "3",
	}})
	r := &quotaRig{t, broker, bridge}
	seen := r.observe()
	greedy, innocent := r.connect("greedy", "g"), r.connect("innocent", "i")

	began := time.Now()
	var acks []mqtt.Token
	for i := range messages {
		acks = append(acks, greedy.Publish("greedy", 1, false, fmt.Sprint(i)))
	}
	var waits []time.Duration
	for i := range 8 { // fewer than its own burst
		sent := time.Now()
		r.await(innocent.Publish("innocent", 1, false, fmt.Sprint(i)))
		waits = append(waits, time.Since(sent))
	}
	beside := len(seen.of("greedy"))
	for _, ack := range acks {
		r.await(ack)
	}
	if took := time.Since(began); took < (messages-2*burst)*time.Second/perSecond {
		t.Errorf("the greedy device was through after %v", took)
	}
	if beside >= messages {
		t.Error("the innocent device was not ahead of the greedy one")
	}
	slices.Sort(waits)
	t.Logf("innocent device: p50 %v, worst of %d %v", waits[len(waits)/2], len(waits), waits[len(waits)-1])
	for i, payload := range seen.await(t, "greedy", messages) {
		if payload != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, payload)
		}
	}

	if err := r.refused("greedy", "g"); !errors.Is(err, packets.ErrorRefusedServerUnavailable) {
		t.Errorf("a second device of one user name: %v", err)
	}
	if err := r.refused("greedy", "wrong"); !errors.Is(err, packets.ErrorRefusedServerUnavailable) {
		t.Errorf("a stranger with that user name: %v", err)
	}
	r.connect("observer", "o")
	r.tooMany()
	r.counted("up", "identity-connections", "address-connections")
}

func (r *quotaRig) await(token mqtt.Token) {
	r.t.Helper()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		r.t.Fatalf("no acknowledgement: %v", token.Error())
	}
}

func options(url, user, password string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(url).SetClientID(user + "-1").SetUsername(user).SetPassword(password).SetProtocolVersion(4).
		SetAutoReconnect(false).SetConnectTimeout(patience).SetKeepAlive(10 * time.Second).SetPingTimeout(patience)
}

// connect brings a device online until the end of the test.
func (r *quotaRig) connect(user, password string) mqtt.Client {
	r.t.Helper()
	c := mqtt.NewClient(options(r.bridge.WS+"/mqtt", user, password))
	r.await(c.Connect())
	r.t.Cleanup(func() { c.Disconnect(100) })
	return c
}

// refused returns why a device does not come online. It is another than the one that does.
func (r *quotaRig) refused(user, password string) error {
	r.t.Helper()
	token := mqtt.NewClient(options(r.bridge.WS+"/mqtt", user, password).SetClientID("another")).Connect()
	if !token.WaitTimeout(patience) || token.Error() == nil {
		r.t.Fatalf("%s is let in", user)
	}
	r.settled(2)
	return token.Error()
}

// tooMany makes one more handshake from the address that is full.
func (r *quotaRig) tooMany() {
	r.t.Helper()
	q, err := http.NewRequest(http.MethodGet, strings.Replace(r.bridge.WS, "ws://", "http://", 1)+"/mqtt", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "mqtt",
	} {
		q.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	answer, err := client.Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") != "30" {
		r.t.Errorf("beyond the quota of the address: %s, %v", answer.Status, answer.Header)
	}
}

// settled waits until there are so many sessions.
func (r *quotaRig) settled(sessions int) {
	r.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(patience); !strings.Contains(r.metrics(), fmt.Sprintf("mqtt_ws_bridge_sessions %d\n", sessions)); {
		select {
		case <-again.C:
		case <-deadline:
			r.t.Fatalf("there are not %d sessions", sessions)
		}
	}
}

func (r *quotaRig) metrics() string {
	r.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	answer, err := client.Get("http://" + r.bridge.Admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

// counted fails the test unless these kinds of quota have been counted, and no other.
func (r *quotaRig) counted(kinds ...string) {
	r.t.Helper()
	for line := range strings.Lines(r.metrics()) {
		rest, ok := strings.CutPrefix(line, `mqtt_ws_bridge_quota_exceeded_total{quota="`)
		if !ok {
			continue
		}
		kind, value, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
		if slices.Contains(kinds, kind) != (value != "0") {
			r.t.Errorf("%s counted %s times", kind, value)
		}
	}
}

// sightings are what an observer at the broker itself has seen, by topic.
type sightings struct {
	mu    sync.Mutex
	byTop map[string][]string
	more  chan struct{} // has one when there is something new
}

func (r *quotaRig) observe() *sightings {
	r.t.Helper()
	s := &sightings{byTop: make(map[string][]string), more: make(chan struct{}, 1)}
	c := mqtt.NewClient(options("tcp://"+r.broker.TCP, "observer", "o").SetClientID("at-the-broker"))
	r.await(c.Connect())
	r.t.Cleanup(func() { c.Disconnect(100) })
	r.await(c.Subscribe("#", 1, s.add))
	return s
}

func (s *sightings) add(_ mqtt.Client, m mqtt.Message) {
	s.mu.Lock()
	s.byTop[m.Topic()] = append(s.byTop[m.Topic()], string(m.Payload()))
	s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *sightings) of(topic string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.byTop[topic])
}

// await returns the messages of a topic once there are so many.
func (s *sightings) await(t *testing.T, topic string, n int) []string {
	t.Helper()
	deadline := time.After(patience)
	for len(s.of(topic)) < n {
		select {
		case <-s.more:
		case <-deadline:
			t.Fatalf("%d messages of %s, want %d", len(s.of(topic)), topic, n)
		}
	}
	return s.of(topic)
}

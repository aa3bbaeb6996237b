package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/mosquitto"
)

// tenantRig is the built bridge with a mount for each tenant, before a Mosquitto that lets everyone do everything.
type tenantRig struct {
	t      *testing.T
	bridge *bridgeproc.Bridge
	broker *mosquitto.Broker
}

const tenantConfig = `
access:
  sources:
    - {type: token, in: bearer, issuer: i, audience: [mqtt], keys: [{file: %q, algorithm: HS256}]}
  mount: "tenants/{{.Claims.tenant}}/"
`

func startTenants(t *testing.T) *tenantRig {
	t.Helper()
	broker := mosquitto.Start(t, mosquitto.Options{})
	file := writeFile(t, fmt.Sprintf(tenantConfig, writeFile(t, hmacSecret)))
	return &tenantRig{t, bridgeproc.Start(t, bridgeproc.Options{
		Binary: bridgeproc.Build(t), Upstream: "tcp://" + broker.TCP, Args: []string{"--config", file},
	}), broker}
}

func tenantToken(t *testing.T, tenant string) http.Header {
	t.Helper()
	raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "i", "aud": "mqtt", "sub": "dev", "exp": time.Now().Add(time.Hour).Unix(), "tenant": tenant,
	}).SignedString([]byte(hmacSecret))
	if err != nil {
		t.Fatal(err)
	}
	return bearer(raw)
}

// peer is a client of MQTT 5: a device of a tenant, or one at the broker itself.
type peer struct {
	t    *testing.T
	c    *paho.Client
	conn net.Conn
	got  chan *paho.Publish
}

// dial opens a connection for a tenant's device; "" is one to the broker.
func (r *tenantRig) dial(tenant string) net.Conn {
	r.t.Helper()
	if tenant == "" {
		conn, err := net.Dial("tcp", r.broker.TCP)
		if err != nil {
			r.t.Fatal(err)
		}
		return conn
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	r.t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, r.bridge.WS+"/mqtt", &websocket.DialOptions{
		Subprotocols: []string{"mqtt"}, HTTPHeader: tenantToken(r.t, tenant),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return websocket.NetConn(context.Background(), ws, websocket.MessageBinary)
}

// peer connects one. will is the topic of its will, "" for none.
func (r *tenantRig) peer(tenant, id, will string) *peer {
	r.t.Helper()
	hello := &paho.Connect{ClientID: id, CleanStart: true, KeepAlive: 120}
	if will != "" {
		hello.WillMessage = &paho.WillMessage{Topic: will, Payload: []byte("will"), QoS: 1}
	}
	p, _ := r.connect(tenant, hello)
	return p
}

func (r *tenantRig) connect(tenant string, hello *paho.Connect) (*peer, *paho.Connack) {
	r.t.Helper()
	// The client pings while it writes other packets, and a WebSocket takes these apart.
	p := &peer{t: r.t, conn: packets.NewThreadSafeConn(r.dial(tenant)), got: make(chan *paho.Publish, 64)}
	p.c = paho.NewClient(paho.ClientConfig{Conn: p.conn, PacketTimeout: time.Minute,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(m paho.PublishReceived) (bool, error) {
			p.got <- m.Packet
			return true, nil
		}}})
	ack, err := p.c.Connect(r.t.Context(), hello)
	if err != nil {
		r.t.Fatalf("%s: %v", hello.ClientID, err)
	}
	r.t.Cleanup(func() { _ = p.c.Disconnect(&paho.Disconnect{}); p.conn.Close() })
	return p, ack
}

func (p *peer) subscribe(filters ...string) {
	p.t.Helper()
	var s paho.Subscribe
	for _, f := range filters {
		s.Subscriptions = append(s.Subscriptions, paho.SubscribeOptions{Topic: f, QoS: 1})
	}
	if _, err := p.c.Subscribe(p.t.Context(), &s); err != nil {
		p.t.Fatalf("subscribe %v: %v", filters, err)
	}
}

func (p *peer) publish(topic, response string) {
	p.t.Helper()
	m := &paho.Publish{Topic: topic, QoS: 1, Payload: []byte("p"), Properties: &paho.PublishProperties{ResponseTopic: response}}
	if _, err := p.c.Publish(p.t.Context(), m); err != nil {
		p.t.Fatalf("publish %s: %v", topic, err)
	}
}

// hears waits for the next message and holds its topics.
func (p *peer) hears(topic, response string) {
	p.t.Helper()
	select {
	case m := <-p.got:
		if m.Topic != topic || m.Properties.ResponseTopic != response {
			p.t.Errorf("hears %q with response topic %q, want %q and %q", m.Topic, m.Properties.ResponseTopic, topic, response)
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("waits for %q", topic)
	}
}

// TestMountedTenants: devices of two tenants use the same topics and see nothing of each other, and a client at the broker sees
// their prefixes.
func TestMountedTenants(t *testing.T) {
	r := startTenants(t)
	plain := r.peer("", "plain", "")
	plain.subscribe("tenants/#")
	acme, worker, zeta := r.peer("acme", "a-1", ""), r.peer("acme", "a-2", ""), r.peer("zeta", "z-1", "")
	acme.subscribe("#", "$share/g/jobs/+")
	zeta.subscribe("#")
	worker.subscribe("svc", "$share/g/jobs/+")

	acme.publish("up/1", "")
	plain.hears("tenants/acme/up/1", "")
	acme.hears("up/1", "")
	zeta.publish("up/2", "reply/z")
	plain.hears("tenants/zeta/up/2", "tenants/zeta/reply/z")
	zeta.hears("up/2", "reply/z") // and nothing of acme's before it

	acme.publish("svc", "reply/1")
	plain.hears("tenants/acme/svc", "tenants/acme/reply/1")
	acme.hears("svc", "reply/1")
	worker.hears("svc", "reply/1")
	worker.publish("reply/1", "")
	plain.hears("tenants/acme/reply/1", "")
	acme.hears("reply/1", "")

	r.shared(plain, acme, worker)
	r.wills(plain, acme, zeta)
	r.outside(plain, acme, zeta)
	r.resumed(plain)
	r.refused()
}

// shared: each job goes to one of the two that share them.
func (r *tenantRig) shared(plain, acme, worker *peer) {
	r.t.Helper()
	const jobs = 10
	for i := range jobs {
		plain.publish(fmt.Sprintf("tenants/acme/jobs/%d", i), "")
		plain.hears(fmt.Sprintf("tenants/acme/jobs/%d", i), "")
	}
	seen := map[string]int{}
	for range jobs + jobs { // acme has # beside its share
		select {
		case m := <-acme.got:
			seen[m.Topic]++
		case m := <-worker.got:
			seen[m.Topic]++
		case <-time.After(time.Minute):
			r.t.Fatalf("of %d jobs there came %v", jobs, seen)
		}
	}
	for i := range jobs {
		if seen[fmt.Sprintf("jobs/%d", i)] != 2 {
			r.t.Errorf("jobs came as %v", seen)
		}
	}
}

// wills: one of MQTT 5 and one of 3.1.1.
func (r *tenantRig) wills(plain, acme, zeta *peer) {
	r.t.Helper()
	r.peer("acme", "a-3", "gone").conn.Close()
	plain.hears("tenants/acme/gone", "")
	acme.hears("gone", "")

	var conn net.Conn
	lost := make(chan struct{})
	old := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://custom").SetClientID("z-2").SetWill("old", "x", 1, false).
		SetAutoReconnect(false).SetConnectTimeout(time.Minute).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { conn = r.dial("zeta"); return conn, nil }).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) }))
	await := func(token mqtt.Token) {
		r.t.Helper()
		if !token.WaitTimeout(time.Minute) || token.Error() != nil {
			r.t.Fatal(token.Error())
		}
	}
	await(old.Connect())
	heard := make(chan string, 1)
	await(old.Subscribe("only/+", 1, func(_ mqtt.Client, m mqtt.Message) { heard <- m.Topic() }))
	await(old.Publish("only/me", 2, false, "x"))
	if topic := <-heard; topic != "only/me" {
		r.t.Errorf("hears %q", topic)
	}
	await(old.Unsubscribe("only/+"))
	plain.hears("tenants/zeta/only/me", "")
	zeta.hears("only/me", "")
	conn.Close()
	<-lost
	plain.hears("tenants/zeta/old", "")
	zeta.hears("old", "") // and not acme's
}

// outside: what # matches beside the tenant's own does not come, and a response topic from elsewhere is taken out.
func (r *tenantRig) outside(plain, acme, zeta *peer) {
	r.t.Helper()
	plain.publish("tenants/acme", "")
	plain.publish("tenants/acme/$SYS/x", "")
	plain.publish("tenants/acme/last", "tenants/zeta/reply")
	for _, topic := range []string{"tenants/acme", "tenants/acme/$SYS/x"} {
		plain.hears(topic, "")
	}
	plain.hears("tenants/acme/last", "tenants/zeta/reply")
	acme.hears("last", "")
	if _, err := zeta.c.Publish(r.t.Context(), &paho.Publish{Topic: "$SYS/x", QoS: 1}); err == nil || !strings.Contains(err.Error(), "not authorized") {
		r.t.Errorf("publish to $SYS: %v", err)
	}
	if _, err := zeta.c.Unsubscribe(r.t.Context(), &paho.Unsubscribe{Topics: []string{"#"}}); err != nil {
		r.t.Error(err)
	}
}

// resumed: a session that the broker has kept brings nothing of another tenant, though it has subscriptions there.
func (r *tenantRig) resumed(plain *peer) {
	r.t.Helper()
	life := uint32(600)
	hello := func() *paho.Connect {
		return &paho.Connect{ClientID: "kept", KeepAlive: 120, Properties: &paho.ConnectProperties{SessionExpiryInterval: &life}}
	}
	before, _ := r.connect("", hello())
	before.subscribe("tenants/zeta/kept/#")
	if err := before.c.Disconnect(&paho.Disconnect{}); err != nil {
		r.t.Fatal(err)
	}
	r.broker.Log.WaitFor(r.t, time.Minute, 1, "Client kept disconnected")
	plain.publish("tenants/zeta/kept/1", "")
	plain.hears("tenants/zeta/kept/1", "")
	device, ack := r.connect("acme", hello())
	if !ack.SessionPresent {
		r.t.Fatal("the broker has kept no session")
	}
	device.subscribe("kept/#")
	for _, tenant := range []string{"zeta", "acme"} {
		plain.publish("tenants/"+tenant+"/kept/2", "")
		plain.hears("tenants/"+tenant+"/kept/2", "")
	}
	device.hears("kept/2", "")
	r.broker.Log.WaitFor(r.t, time.Minute, 2, "Received PUBACK from kept", "RC:135")
}

// refused: devices whose tenant would be another place.
func (r *tenantRig) refused() {
	r.t.Helper()
	for _, tenant := range []string{"acme/inner", "+", "#", "a\x00b", "$SYS/.."} {
		conn := packets.NewThreadSafeConn(r.dial(tenant))
		c := paho.NewClient(paho.ClientConfig{Conn: conn, PacketTimeout: time.Minute})
		ack, err := c.Connect(r.t.Context(), &paho.Connect{ClientID: "x", CleanStart: true})
		if err == nil || ack == nil || ack.ReasonCode != 0x87 {
			r.t.Errorf("tenant %q: %+v, %v", tenant, ack, err)
		}
		conn.Close()
	}
}

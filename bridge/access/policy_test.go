package access_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/mqttio"
)

// hx makes bytes of hex digits, and strings in single quotes.
func hx(s string) (out []byte) {
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			panic(err)
		}
		out = append(out, raw...)
	}
	return out
}

func rules(t testing.TB, rules ...topic.Rule) *topic.Rules {
	t.Helper()
	r, err := topic.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, pkt []byte) *mqttio.Connect {
	t.Helper()
	c, err := mqttio.ParseConnect(pkt)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

// withWill is a CONNECT of 3.1.1 with client identifier dev-1 and a will to the topic "w".
func withWill() []byte { return hx("101A 0004'MQTT' 04 06 003C 0005'dev-1' 0001'w' 0002'by'")[:] }

func TestPolicyUsesWhatTheBrokerGets(t *testing.T) {
	p := access.Policy{
		Mapping: access.Mapping{ClientID: template(t, "{{.Claims.tenant}}-{{client_id}}"), Username: template(t, "{{subject}}")},
		Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"w", "{{client_id}}/{{username}}/#"}},
			topic.Rule{Subscribe: true, Filters: []string{"{{.Claims.tenant}}/+"}}),
	}
	pkt := packetOf(withWill())
	d := p.For(&canary)
	out, err := d.Connect(pkt, parse(t, pkt))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, out)
	if string(c.ClientID) != "acme-dev-1" || string(c.Username) != "dev-1" || c.HasPassword || string(c.WillTopic) != "w" {
		t.Errorf("%q %q", c.ClientID, c.Username)
	}
	for name, want := range map[string]bool{"acme-dev-1/dev-1/x": true, "dev-1/dev-1/x": false, "w": true} {
		if d.MayPublish([]byte(name)) != want {
			t.Errorf("publish to %s: %v", name, !want)
		}
	}
	if !d.MaySubscribe([]byte("acme/+")) || d.MaySubscribe([]byte("#")) {
		t.Error("subscribe")
	}
}

// packetOf sets the Remaining Length of a short packet.
func packetOf(pkt []byte) []byte {
	pkt[1] = byte(len(pkt) - 2)
	return pkt
}

func TestPolicyRefusesConnect(t *testing.T) {
	for name, tt := range map[string]struct {
		policy access.Policy
		pkt    []byte
		want   string
	}{
		"will":                {access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"a"}})}, withWill(), "topic of its will"},
		"client identifier":   {access.Policy{Mapping: access.Mapping{MustClientID: template(t, "x-{{subject}}")}}, withWill(), "client identifier"},
		"unknown value":       {access.Policy{Mapping: access.Mapping{Password: template(t, "{{.Claims.absent}}")}}, withWill(), "absent"},
		"password alone":      {access.Policy{Mapping: access.Mapping{Password: template(t, "{{token}}")}}, withWill(), "password without user name"},
		"wildcard as a name":  {access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"w", "{{client_id}}"}})}, hx("1000 0004'MQTT' 04 02 003C 0001'#'"), "client_id"},
		"separator in a name": {access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"a/{{username}}"}})}, hx("1000 0004'MQTT' 04 82 003C 0001'c' 0003'a/b'"), "username"},
	} {
		pkt := packetOf(tt.pkt)
		out, err := tt.policy.For(&canary).Connect(pkt, parse(t, pkt))
		if out != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: % x, %v", name, out, err)
		}
	}
}

// Without a mapping CONNECT is not touched, and without rules everything is allowed, also to a device that proved nothing.
func TestEmptyPolicy(t *testing.T) {
	var p access.Policy
	pkt := packetOf(withWill())
	before := bytes.Clone(pkt)
	d := p.For(nil)
	if out, err := d.Connect(pkt, parse(t, pkt)); out != nil || err != nil || !bytes.Equal(pkt, before) {
		t.Errorf("% x, %v", out, err)
	}
	if !d.MayPublish([]byte("a")) || !d.MaySubscribe([]byte("#")) {
		t.Error("something is forbidden")
	}
	must := access.Policy{Mapping: access.Mapping{MustClientID: template(t, "{{subject}}")}}
	var unknown *access.UnknownError
	if _, err := must.For(nil).Connect(pkt, parse(t, pkt)); !errors.As(err, &unknown) {
		t.Errorf("no identity where one is demanded: %v", err)
	}
}

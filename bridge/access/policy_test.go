package access_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/bridge/police"
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

func mount(t testing.TB, text string) *topic.Mount {
	t.Helper()
	m, err := topic.CompileMount(text, police.MaxMount)
	if err != nil {
		t.Fatal(err)
	}
	return m
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
	terms, err := d.Connect(pkt, parse(t, pkt))
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, terms.Connect)
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
		"missing tenant":      {access.Policy{Mount: mount(t, "tenants/{{.Claims.absent}}/")}, withWill(), "no mount point for the device: nothing is known for {{.Claims.absent}}"},
		"tenant with a level": {access.Policy{Mount: mount(t, "tenants/{{username}}/")}, hx("1000 0004'MQTT' 04 82 003C 0001'c' 0003'a/b'"), "no mount point for the device: the value of {{username}} cannot"},
		"will below $":        {access.Policy{Mount: mount(t, "tenants/{{.Claims.tenant}}/")}, hx("1000 0004'MQTT' 04 06 003C 0001'c' 0002'$w' 0002'by'"), "topic of the will that the mount point does not hold"},
		"response of a will": {access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"#"}}, topic.Rule{Subscribe: true, Filters: []string{"mine/#"}})},
			hx("1000 0004'MQTT' 05 06 003C 00 0001'c' 09 080006'theirs' 0001'w' 0002'by'"), "response topic of its will"},
		"separator in a name": {access.Policy{Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"a/{{username}}"}})}, hx("1000 0004'MQTT' 04 82 003C 0001'c' 0003'a/b'"), "username"},
	} {
		pkt := packetOf(tt.pkt)
		terms, err := tt.policy.For(&canary).Connect(pkt, parse(t, pkt))
		if terms.Connect != nil || terms.Mount != "" || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %+v, %v", name, terms, err)
		}
	}
}

// TestRulesOfClaims: the rules of the configuration are asked first, those of the claim after them, and a broken claim refuses the
// device.
func TestRulesOfClaims(t *testing.T) {
	p := access.Policy{RulesClaim: "mqtt", Rules: rules(t,
		topic.Rule{Deny: true, Publish: true, Subscribe: true, Filters: []string{"+/secret"}}, topic.Rule{Publish: true, Filters: []string{"all/#"}})}
	pkt := packetOf(hx("1000 0004'MQTT' 04 02 003C 0005'dev-1'"))
	with := func(claims map[string]string) (police.Policy, error) {
		d := p.For(&access.Identity{Claims: claims})
		_, err := d.Connect(pkt, parse(t, pkt))
		return d, err
	}
	d, err := with(map[string]string{"mqtt": "allow publish a/secret\ndeny all all/x\nallow all {{client_id}}/#\nallow subscribe {{.Claims.more}}/#", "more": "m"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a/secret": false, "all/x": true, "dev-1/x": true, "m/x": false, "other": false} {
		if d.MayPublish([]byte(name)) != want {
			t.Errorf("publish to %s: %v", name, !want)
		}
	}
	for name, want := range map[string]bool{"all/x": false, "dev-1/#": false, "dev-1/x": true, "m/+/x": true, "m/#": false, "#": false} {
		if d.MaySubscribe([]byte(name)) != want {
			t.Errorf("subscribe to %s: %v", name, !want)
		}
	}
	if d, err := with(nil); err != nil || d.MayPublish([]byte("dev-1/x")) || !d.MayPublish([]byte("all/x")) {
		t.Errorf("without the claim: %v", err)
	}
	for claim, want := range map[string]string{
		"allow everything": "claim mqtt: rule 0: a rule is allow or deny", "allow publish a\nallow publish a/#/b": "claim mqtt: rule 1: filter",
		"allow publish {{nobody}}": "placeholders are", "allow publish {{.Claims.bad}}/#": "claim mqtt: the value of {{.Claims.bad}} cannot stand in a topic",
	} {
		if _, err := with(map[string]string{"mqtt": claim, "bad": "+"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", claim, err, want)
		}
	}
}

// TestPolicyMount: the will stands below the mount, and rules speak of what the device sees.
func TestPolicyMount(t *testing.T) {
	p := access.Policy{
		Mount: mount(t, "tenants/{{.Claims.tenant}}/{{client_id}}/"),
		Rules: rules(t, topic.Rule{Publish: true, Filters: []string{"w", "up/#"}}, topic.Rule{Subscribe: true, Filters: []string{"down/#"}}),
	}
	pkt := packetOf(withWill())
	d := p.For(&canary)
	terms, err := d.Connect(pkt, parse(t, pkt))
	if err != nil || terms.Mount != "tenants/acme/dev-1/" || terms.ReceivesAll {
		t.Fatalf("%+v, %v", terms, err)
	}
	if c := parse(t, terms.Connect); string(c.WillTopic) != "tenants/acme/dev-1/w" || string(c.WillPayload) != "by" {
		t.Errorf("will to %q", c.WillTopic)
	}
	if !d.MayPublish([]byte("up/x")) || d.MayPublish([]byte("tenants/acme/dev-1/up/x")) || !d.MayReceive([]byte("down/x")) || d.MayReceive([]byte("up/x")) {
		t.Error("the rules are not asked about what the device sees")
	}
	pkt = packetOf(hx("1000 0004'MQTT' 04 02 003C 0001'c'"))
	if terms, err := p.For(&canary).Connect(pkt, parse(t, pkt)); terms.Connect != nil || terms.Mount != "tenants/acme/c/" || err != nil {
		t.Errorf("without a will: %+v, %v", terms, err)
	}
}

// Without a mapping CONNECT is not touched, and without rules everything is allowed, also to a device that proved nothing.
func TestEmptyPolicy(t *testing.T) {
	var p access.Policy
	pkt := packetOf(withWill())
	before := bytes.Clone(pkt)
	d := p.For(nil)
	if terms, err := d.Connect(pkt, parse(t, pkt)); terms.Connect != nil || terms.Mount != "" || !terms.ReceivesAll || err != nil || !bytes.Equal(pkt, before) {
		t.Errorf("%+v, %v", terms, err)
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

package main

import (
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/golang-jwt/jwt/v5"

	"mqtt-ws-bridge/config"
)

// TestAccessRulesClaim: a token brings rules of its own, which come after those of the configuration, and one whose rules are broken
// brings nobody in.
func TestAccessRulesClaim(t *testing.T) {
	broker := doorBroker(t)
	r := startAccess(t, broker, func(cfg *config.Config) {
		cfg.Access.Sources = []config.AccessSource{{Type: "token", In: "bearer", Issuer: "i", Audience: []string{"mqtt"},
			Keys: []config.AccessKey{{File: writeFile(t, hmacSecret), Algorithm: "HS256"}}}}
		cfg.Access.Rules = []config.AccessRule{{Deny: "all", Topics: []string{"mine/secret"}}}
		cfg.Access.RulesClaim = "mqtt"
	})
	token := func(rules any) string {
		raw, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
			"iss": "i", "aud": "mqtt", "sub": "dev-1", "exp": time.Now().Add(time.Hour).Unix(), "mqtt": rules,
		}).SignedString([]byte(hmacSecret))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, broken := range []any{"allow everything", []any{"allow publish a", 1}, []string{"allow publish a/#/b"}, map[string]string{"allow": "a"}} {
		r.device(r.ws, bearer(token(broken)), nil, false)
	}
	c := r.device(r.ws, bearer(token([]string{"allow publish mine/#", "allow subscribe mine/+"})), nil, true)
	sub := c.SubscribeMultiple(map[string]byte{"mine/a": 1, "mine/secret": 1, "#": 0}, func(mqtt.Client, mqtt.Message) {})
	sub.WaitTimeout(20 * time.Second)
	if got := sub.(*mqtt.SubscribeToken).Result(); got["mine/a"] != 1 || got["mine/secret"] != 0x80 || got["#"] != 0x80 {
		t.Errorf("subscribed with %v", got)
	}
	for _, topic := range []string{"mine/secret", "other", "mine/a"} {
		if token := c.Publish(topic, 1, false, "x"); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	if broker.Log.Count("Received PUBLISH from c-1") != 1 {
		t.Errorf("the broker received:\n%s", broker.Log)
	}
}

// TestTopicsOfAccess: what cannot work keeps the bridge from starting.
func TestTopicsOfAccess(t *testing.T) {
	for want, a := range map[string]config.Access{
		"access.rules-claim: only a source":           {RulesClaim: "mqtt", Sources: []config.AccessSource{{Type: "basic"}}},
		`access.mount: "a/+/" has a wildcard`:         {Mount: "a/+/"},
		`access.rules[0]: filter "a/#/b": # may only`: {Rules: []config.AccessRule{{Allow: "all", Topics: []string{"a/#/b"}}}},
	} {
		var wrong faults
		if newPolicy(&a, &wrong); !strings.HasPrefix(wrong.Error(), want) {
			t.Errorf("%v, want %s", wrong, want)
		}
	}
}

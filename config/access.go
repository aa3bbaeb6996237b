package config

import (
	"strings"
	"time"
)

// Access is who may connect and what devices may do.
type Access struct {
	Sources       []AccessSource `koanf:"sources" doc:"Proofs of identity that a handshake may carry, in the order in which the bridge looks for them; with an empty list the broker alone decides who connects."`
	Connect       AccessConnect  `koanf:"connect" doc:"Fields of CONNECT that the bridge replaces before it forwards the packet to the broker: texts with the placeholders {{client_id}}, {{username}}, {{subject}}, {{token}}, {{address}}, {{source}} and {{.Claims.name}}. Empty forwards the device's own value."`
	Require       AccessRequire  `koanf:"require" doc:"Values that the device's own CONNECT must have: texts with the same placeholders as access.connect. Empty accepts any value."`
	Mount         string         `koanf:"mount" doc:"Topic prefix that the bridge adds towards the broker and removes towards the device, such as tenants/{{.Claims.tenant}}/. A level may contain {{client_id}}, {{username}}, {{subject}} or {{.Claims.name}}. Empty: no prefix."`
	Rules         []AccessRule   `koanf:"rules" doc:"Topics that devices may publish and subscribe to. The first rule that matches decides. If there is any rule, the bridge denies what no rule matches."`
	RulesClaim    string         `koanf:"rules-claim" doc:"Claim of the identity that contains further rules, applied after access.rules: a list of texts such as allow publish a/b/#. If it is set, the bridge denies what no rule matches even if access.rules is empty. Empty: no claim."`
	Retain        bool           `koanf:"retain" doc:"Whether devices may publish retained messages and retained wills."`
	DeniedPublish string         `koanf:"denied-publish" oneof:"answer close" doc:"What happens to a forbidden PUBLISH. answer: the bridge drops it and answers as the device's version of MQTT allows. close: the bridge closes the session."`
	ExpiryWill    bool           `koanf:"expiry-will" doc:"Whether the broker publishes the will when a session ends because its token or certificate expired or its certificate was revoked."`
}

// AccessSource is one kind of proof. Which of the keys it has depends on its type.
type AccessSource struct {
	Type string `koanf:"type" doc:"basic, token, certificate or callback."`

	File string `koanf:"file" doc:"basic: htpasswd file with bcrypt or argon2 hashes."`

	In       string        `koanf:"in" doc:"token: where the request carries it: bearer, cookie, query or subprotocol."`
	Name     string        `koanf:"name" doc:"token: name of the cookie or query parameter, or prefix in the subprotocol list. certificate: the field that names the device: cn, dns, uri or email."`
	Issuer   string        `koanf:"issuer" doc:"token: the iss claim that it must have."`
	Audience []string      `koanf:"audience" doc:"token: its aud claim must contain one of these."`
	Keys     []AccessKey   `koanf:"keys" doc:"token: key files that verify it."`
	KeySet   string        `koanf:"key-set" doc:"token: JSON Web Key Set to use instead of keys, as a file or an http:// or https:// URL."`
	Refresh  time.Duration `koanf:"refresh" doc:"token: interval at which the bridge fetches key-set from its URL; 0 is 10m."`
	Subject  string        `koanf:"subject" doc:"token: claim that names the device; empty is sub."`
	Leeway   time.Duration `koanf:"leeway" doc:"token: clock difference allowed when the bridge checks its times."`

	URL             string        `koanf:"url" doc:"callback: URL of the service that decides."`
	Method          string        `koanf:"method" doc:"callback: HTTP method, GET or POST; empty is GET."`
	Timeout         time.Duration `koanf:"timeout" doc:"callback: longest wait for the service's response; 0 is 2s."`
	RememberAllowed time.Duration `koanf:"remember-allowed" doc:"callback: how long the bridge caches a response that allows the device."`
	RememberDenied  time.Duration `koanf:"remember-denied" doc:"callback: how long the bridge caches a response that denies the device."`
}

// AccessKey is a key for tokens.
type AccessKey struct {
	File      string `koanf:"file" doc:"A public key or certificate in PEM, or the secret of HS256, HS384 or HS512."`
	ID        string `koanf:"id" doc:"The kid of the tokens that this key verifies; empty: any."`
	Algorithm string `koanf:"algorithm" doc:"The one signature algorithm that the key is used with; empty: RS256, EdDSA, or the one of the key's curve."`
}

// AccessConnect is what becomes of CONNECT.
type AccessConnect struct {
	ClientID       string            `koanf:"client-id" doc:"The client identifier."`
	Username       string            `koanf:"username" doc:"The user name."`
	Password       Secret            `koanf:"password" doc:"The password; secret."`
	UserProperties map[string]string `koanf:"user-properties" doc:"MQTT 5: user properties that the bridge adds; it removes the device's own properties of the same names."`
}

// AccessRequire is what a device must send itself.
type AccessRequire struct {
	ClientID string `koanf:"client-id" doc:"The client identifier."`
	Username string `koanf:"username" doc:"The user name."`
}

// AccessRule allows or denies topics. Exactly one of Allow and Deny is set.
type AccessRule struct {
	Allow  string   `koanf:"allow" doc:"publish, subscribe or all."`
	Deny   string   `koanf:"deny" doc:"publish, subscribe or all."`
	Topics []string `koanf:"topics" doc:"Topic filters; a level may contain {{client_id}}, {{username}}, {{subject}} or {{.Claims.name}}."`
}

// KeySetIsURL tells a key set that is fetched from one in a file.
func (s *AccessSource) KeySetIsURL() bool {
	return strings.HasPrefix(s.KeySet, "http://") || strings.HasPrefix(s.KeySet, "https://")
}

// Files are those that the sources name.
func (a *Access) Files() []string {
	var files []string
	for i := range a.Sources {
		s := &a.Sources[i]
		if s.Type == "basic" {
			files = append(files, s.File)
		}
		if s.Type != "token" {
			continue
		}
		if s.KeySet != "" && !s.KeySetIsURL() {
			files = append(files, s.KeySet)
		}
		for _, k := range s.Keys {
			files = append(files, k.File)
		}
	}
	return files
}

package config

import (
	"strings"
	"time"
)

// Access is who may connect and what devices may do.
type Access struct {
	Sources       []AccessSource `koanf:"sources" doc:"Proofs of identity that a handshake may hold, looked for in this order; with an empty list the broker alone decides who connects."`
	Connect       AccessConnect  `koanf:"connect" doc:"What the broker gets in CONNECT in place of what the device sent: texts with {{client_id}}, {{username}}, {{subject}}, {{token}}, {{address}}, {{source}} and {{.Claims.name}}; empty leaves a field as it is."`
	Require       AccessRequire  `koanf:"require" doc:"What the device itself must send in CONNECT, as texts with the same placeholders; empty demands nothing."`
	Mount         string         `koanf:"mount" doc:"A prefix that all topics of a device have at the broker and that it does not see, such as tenants/{{.Claims.tenant}}/; a level may hold {{client_id}}, {{username}}, {{subject}} or {{.Claims.name}}. Empty is none."`
	Rules         []AccessRule   `koanf:"rules" doc:"Topics that devices may publish and subscribe to; the first rule that matches decides, and once there is one, what none matches is denied."`
	RulesClaim    string         `koanf:"rules-claim" doc:"A claim of the identity with further rules, asked after rules: a list of texts such as allow publish a/b/#. With it, what no rule matches is denied even if rules is empty. Empty is none."`
	Retain        bool           `koanf:"retain" doc:"Let devices publish retained messages and wills."`
	DeniedPublish string         `koanf:"denied-publish" oneof:"answer close" doc:"A forbidden message is answered as the version of MQTT allows and dropped, or the session is closed."`
	ExpiryWill    bool           `koanf:"expiry-will" doc:"Let the will fire when a session ends because its token or certificate has expired or its certificate was revoked."`
}

// AccessSource is one kind of proof. Which of the keys it has depends on its type.
type AccessSource struct {
	Type string `koanf:"type" doc:"basic, token, certificate or callback."`

	File string `koanf:"file" doc:"basic: the file of htpasswd, with bcrypt or argon2 hashes."`

	In       string        `koanf:"in" doc:"token: where it stands, bearer, cookie, query or subprotocol."`
	Name     string        `koanf:"name" doc:"token: the name of the cookie or query parameter, or the prefix in the subprotocol list. certificate: what names the device, cn, dns, uri or email."`
	Issuer   string        `koanf:"issuer" doc:"token: the iss it must have."`
	Audience []string      `koanf:"audience" doc:"token: one of these must be in its aud."`
	Keys     []AccessKey   `koanf:"keys" doc:"token: files with keys."`
	KeySet   string        `koanf:"key-set" doc:"token: a JSON Web Key Set, as a file or http:// or https:// URL, in place of keys."`
	Refresh  time.Duration `koanf:"refresh" doc:"token: how often a URL is asked for its keys; 0 is 10m."`
	Subject  string        `koanf:"subject" doc:"token: the claim that names the device; empty is sub."`
	Leeway   time.Duration `koanf:"leeway" doc:"token: by how much clocks may differ."`

	URL             string        `koanf:"url" doc:"callback: the service that is asked."`
	Method          string        `koanf:"method" doc:"callback: GET or POST; empty is GET."`
	Timeout         time.Duration `koanf:"timeout" doc:"callback: longest wait for an answer; 0 is 2s."`
	RememberAllowed time.Duration `koanf:"remember-allowed" doc:"callback: how long a yes is remembered."`
	RememberDenied  time.Duration `koanf:"remember-denied" doc:"callback: how long a no is remembered."`
}

// AccessKey is a key for tokens.
type AccessKey struct {
	File      string `koanf:"file" doc:"A public key or certificate in PEM, or the secret of HS256, HS384 or HS512."`
	ID        string `koanf:"id" doc:"The kid of the tokens it is for; empty: any."`
	Algorithm string `koanf:"algorithm" doc:"The one algorithm it is good for; empty: RS256, EdDSA, or what the curve says."`
}

// AccessConnect is what becomes of CONNECT.
type AccessConnect struct {
	ClientID       string            `koanf:"client-id" doc:"The client identifier."`
	Username       string            `koanf:"username" doc:"The user name."`
	Password       Secret            `koanf:"password" doc:"The password; secret."`
	UserProperties map[string]string `koanf:"user-properties" doc:"User properties added in MQTT 5; the device's own of the same names are taken out."`
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
	Topics []string `koanf:"topics" doc:"Topic filters, in which a level may hold {{client_id}}, {{username}}, {{subject}} or {{.Claims.name}}."`
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

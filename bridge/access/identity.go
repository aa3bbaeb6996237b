package access

import (
	"log/slog"
	"time"

	"mqtt-ws-bridge/bridge/access/topic"
)

// Identity is who a device proved to be. It does not change once it is made.
type Identity struct {
	Source  string            // which kind of proof it was: a word of a closed set, good for logs and metrics
	Subject string            // the name proved: user, sub of a token, name in a certificate
	Claims  map[string]string // what else is known, by name: text as it is, numbers and truth values as JSON writes them
	Token   string            // the token as it came, "" if there was none: secret
	Address string            // the device's address without its port
	Expires time.Time         // when the proof ends; zero: never
}

// String returns source and subject: the token and the claims stay out of logs and errors.
func (id Identity) String() string { return id.Source + " " + id.Subject }

// GoString returns the same, so that %#v prints no secrets either.
func (id Identity) GoString() string { return id.String() }

// LogValue returns the same for slog.
func (id Identity) LogValue() slog.Value { return slog.StringValue(id.String()) }

// Names of placeholders that templates have beside those of topic rules.
const (
	placeholderToken   = "token"
	placeholderAddress = "address"
	placeholderSource  = "source"
)

// value returns what stands for a placeholder, "" for what is not known. clientID and username are those of CONNECT.
func (id *Identity) value(name, clientID, username string) string {
	switch name {
	case topic.ClientID:
		return clientID
	case topic.Username:
		return username
	}
	if id == nil {
		return ""
	}
	switch name {
	case topic.Subject:
		return id.Subject
	case placeholderToken:
		return id.Token
	case placeholderAddress:
		return id.Address
	case placeholderSource:
		return id.Source
	}
	if len(name) > len(topic.ClaimPrefix) && name[:len(topic.ClaimPrefix)] == topic.ClaimPrefix {
		return id.Claims[name[len(topic.ClaimPrefix):]]
	}
	return ""
}

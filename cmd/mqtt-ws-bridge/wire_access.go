package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/access"
	"mqtt-ws-bridge/bridge/access/callback"
	"mqtt-ws-bridge/bridge/access/passwords"
	"mqtt-ws-bridge/bridge/access/token"
	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/bridge/fairqueue"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config"
)

// accessControl is what the keys below access describe. Safe for concurrent use.
type accessControl struct {
	gate      *access.Gate   // nil: whoever asks may connect
	policy    *access.Policy // nil: the broker decides what a device may do
	noRetain  bool
	challenge string        // of a 401
	types     []string      // of the sources of gate
	admitTime time.Duration // for finding out who a device is
	// What outlives a reload: keys that were fetched, answers that were given, and the queue of passwords to be checked, which
	// is made before the program lets Go have one processor more than there are (decisions/0010).
	remotes  map[keySet]*token.Remote
	services map[callback.Options]*callback.Service
	checks   *fairqueue.Queue
	before   *accessControl // nil: there was none; set while this one is being made
}

// keySet is a key set that is fetched. One that is fetched at another interval is another one.
type keySet struct {
	url     string
	refresh time.Duration
}

// newAccessControl reads the files that access names. Nothing is fetched yet. From the one before,
// nil if there was none, it takes the keys that were fetched, the answers that were given and the memory of who failed.
func newAccessControl(cfg *config.Config, log *slog.Logger, before *accessControl) (*accessControl, error) {
	a := &cfg.Access
	d := &accessControl{noRetain: !a.Retain, admitTime: admitTime(cfg.Limits.HandshakeTimeout), before: before,
		remotes: make(map[keySet]*token.Remote), services: make(map[callback.Options]*callback.Service)}
	defer func() { d.before = nil }()
	if before != nil {
		d.checks = before.checks
	} else {
		d.checks = passwords.NewQueue()
	}
	var sources []access.Source
	var wrong faults
	for i := range a.Sources {
		source, err := d.source(&a.Sources[i], cfg, log)
		wrong.add(fmt.Sprintf("access.sources[%d]", i), err)
		sources, d.types = append(sources, source), append(d.types, a.Sources[i].Type)
	}
	policy := newPolicy(a, &wrong)
	if len(wrong) > 0 {
		return nil, wrong
	}
	if len(sources) > 0 {
		var err error
		if before != nil && before.gate != nil {
			d.gate, err = before.gate.With(sources...)
		} else {
			d.gate, err = access.NewGate(sources...)
		}
		if err != nil {
			return nil, err
		}
		d.challenge = challenge(a.Sources)
	}
	if d.policy = policy; policy == nil && d.noRetain {
		d.policy = new(access.Policy)
	}
	return d, nil
}

// release closes the idle connections of the key sets and services that other does not use.
func (d *accessControl) release(other *accessControl) {
	for set, remote := range d.remotes {
		if other.remotes[set] != remote {
			remote.Close()
		}
	}
	for opts, service := range d.services {
		if other.services[opts] != service {
			service.Close()
		}
	}
}

// admitTime leaves a fifth of the time for a handshake to its answer: none can be written after that.
func admitTime(handshakeTimeout time.Duration) time.Duration { return handshakeTimeout / 5 * 4 }

const (
	defaultRefresh         = 10 * time.Minute
	defaultCallbackTimeout = 2 * time.Second
)

func (d *accessControl) source(s *config.AccessSource, cfg *config.Config, log *slog.Logger) (access.Source, error) {
	switch s.Type {
	case "basic":
		users, err := passwords.Load(s.File, d.checks)
		return access.Basic{Users: users}, err
	case "token":
		return d.tokenSource(s, cfg, log)
	case "certificate":
		return access.Certificate{Name: s.Name}, nil
	case "callback":
		service, err := d.service(s)
		return access.Callback{Service: service, Origins: cfg.Origins}, err
	}
	return nil, fmt.Errorf("unknown type %q", s.Type)
}

func (d *accessControl) service(s *config.AccessSource) (*callback.Service, error) {
	method, timeout := s.Method, s.Timeout
	if method == "" {
		method = http.MethodGet
	}
	if timeout == 0 {
		timeout = defaultCallbackTimeout
	}
	opts := callback.Options{
		URL: s.URL, Method: method, Timeout: timeout, RememberAllowed: s.RememberAllowed, RememberDenied: s.RememberDenied,
	}
	if service := d.services[opts]; service != nil {
		return service, nil
	}
	if d.before != nil && d.before.services[opts] != nil {
		d.services[opts] = d.before.services[opts]
		return d.services[opts], nil
	}
	service, err := callback.New(opts)
	if err == nil {
		d.services[opts] = service
	}
	return service, err
}

func (d *accessControl) tokenSource(s *config.AccessSource, cfg *config.Config, log *slog.Logger) (access.Source, error) {
	keys, err := d.keys(s, log)
	if err != nil {
		return nil, err
	}
	verifier, err := token.New(token.Options{
		Keys: keys, Issuer: s.Issuer, Audience: s.Audience, Subject: s.Subject, List: cfg.Access.RulesClaim, Leeway: s.Leeway,
	})
	if err != nil {
		return nil, err
	}
	var find access.Finder
	switch s.In {
	case "bearer":
		find = access.InBearer
	case "query":
		find = access.InQuery(s.Name)
	case "subprotocol":
		find = access.InSubprotocol(s.Name)
	case "cookie":
		if find, err = access.InCookie(s.Name, cfg.Origins); err != nil {
			return nil, err
		}
	}
	return access.Token{Verifier: verifier, Find: find}, nil
}

func (d *accessControl) keys(s *config.AccessSource, log *slog.Logger) (token.Source, error) {
	if s.KeySetIsURL() {
		refresh := s.Refresh
		if refresh == 0 {
			refresh = defaultRefresh
		}
		set := keySet{s.KeySet, refresh}
		remote := d.remotes[set]
		if remote == nil && d.before != nil {
			remote = d.before.remotes[set]
		}
		if remote == nil {
			remote = token.NewRemote(s.KeySet, refresh, nil, log)
		}
		d.remotes[set] = remote
		return remote, nil
	}
	if s.KeySet != "" {
		keys, err := token.LoadSet(s.KeySet)
		return token.Fixed(keys), err
	}
	var keys token.Fixed
	for _, k := range s.Keys {
		key, err := token.LoadKey(k.File, k.ID, k.Algorithm)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// challenge names the schemes of Authorization that are looked at (RFC 9110 section 11.6.1). There has to be one.
func challenge(sources []config.AccessSource) string {
	var schemes []string
	for _, s := range sources {
		scheme := `Bearer realm="mqtt"`
		if s.Type == "basic" {
			scheme = `Basic realm="mqtt", charset="UTF-8"`
		}
		if !slices.Contains(schemes, scheme) {
			schemes = append(schemes, scheme)
		}
	}
	return strings.Join(schemes, ", ")
}

// newPolicy returns nil if nothing is said of CONNECT or topics. What is wrong is added to wrong.
func newPolicy(a *config.Access, wrong *faults) *access.Policy {
	p := new(access.Policy)
	for _, t := range []struct {
		key, text string
		to        **access.Template
	}{
		{"connect.client-id", a.Connect.ClientID, &p.Mapping.ClientID},
		{"connect.username", a.Connect.Username, &p.Mapping.Username},
		{"connect.password", string(a.Connect.Password), &p.Mapping.Password},
		{"require.client-id", a.Require.ClientID, &p.Mapping.MustClientID},
		{"require.username", a.Require.Username, &p.Mapping.MustUsername},
	} {
		if t.text == "" {
			continue
		}
		var err error
		*t.to, err = access.ParseTemplate(t.text)
		wrong.add("access."+t.key, err)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Connect.UserProperties)) {
		value, err := access.ParseTemplate(a.Connect.UserProperties[name])
		wrong.add("access.connect.user-properties."+name, err)
		p.Mapping.UserProperties = append(p.Mapping.UserProperties, access.UserProperty{Name: name, Value: value})
	}
	setTopics(p, a, wrong)
	m := &p.Mapping
	if m.ClientID == nil && m.Username == nil && m.Password == nil && m.UserProperties == nil && m.MustClientID == nil &&
		m.MustUsername == nil && p.Mount == nil && p.Rules == nil {
		return nil
	}
	return p
}

// setTopics reads the mount and the rules.
func setTopics(p *access.Policy, a *config.Access, wrong *faults) {
	var err error
	if a.Mount != "" {
		if p.Mount, err = topic.CompileMount(a.Mount, police.MaxMount); err != nil {
			wrong.add("access.mount", fmt.Errorf("%q %w", a.Mount, err))
		}
	}
	if p.RulesClaim = a.RulesClaim; len(a.Rules) == 0 && a.RulesClaim == "" {
		return
	}
	hasClaims := func(s config.AccessSource) bool { return s.Type == "token" || s.Type == "callback" }
	if a.RulesClaim != "" && !slices.ContainsFunc(a.Sources, hasClaims) {
		wrong.add("access.rules-claim", errors.New("only a source of type token or callback has claims with rules"))
	}
	rules := make([]topic.Rule, len(a.Rules))
	for i, r := range a.Rules {
		what := r.Allow + r.Deny
		rules[i] = topic.Rule{Deny: r.Deny != "", Publish: what != "subscribe", Subscribe: what != "publish", Filters: r.Topics}
	}
	p.Rules, err = topic.Compile(rules)
	if !isOfRule(err) {
		wrong.add("access.rules", err)
		return
	}
	for i := range rules { // Compile stops at the first
		if _, err := topic.Compile(rules[i : i+1]); err != nil {
			wrong.add(fmt.Sprintf("access.rules[%d]", i), errors.Unwrap(err))
		}
	}
}

func isOfRule(err error) bool {
	_, ok := errors.AsType[*topic.RuleError](err)
	return ok
}

// denial is what happens to what a policy, or a quota on topics, denies.
func denial(cfg *config.Config) bridge.Denial {
	return bridge.Denial{Close: cfg.Access.DeniedPublish == "close", ExpiryWithoutWill: !cfg.Access.ExpiryWill}
}

// attempt is what access control knows of one handshake, from its request to its end.
type attempt struct {
	control *accessControl // of its begin: a reload meanwhile does not mix two
	id      *access.Identity
	err     error // why it was refused, for the log
}

type attemptKey struct{}

// withAttempt gives every request an attempt with the access control of that moment.
func (k *keptAccess) withAttempt(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), attemptKey{}, &attempt{control: k.current()})))
	})
}

// attemptOf returns the request's attempt, nil if it did not come through withAttempt.
func attemptOf(r *http.Request) *attempt {
	v, _ := r.Context().Value(attemptKey{}).(*attempt)
	return v
}

// admit finds out who a device is, and says why it is refused, or nil.
func admit(a *bridge.Applicant) (why *reason.Reason) {
	v := attemptOf(a.Request)
	if v == nil {
		return reason.Internal
	}
	d := v.control
	if d.gate == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.Request.Context(), d.admitTime)
	defer cancel()
	v.id, why, v.err = d.gate.Admit(a.Request.WithContext(ctx), a.Address)
	if v.id != nil {
		a.Identity = v.id.Subject
	}
	return why
}

// pass is what the device of a request that was admitted gets.
func pass(r *http.Request) bridge.Pass {
	v := attemptOf(r)
	if v == nil {
		return bridge.Pass{Refuse: reason.Internal}
	}
	d, id := v.control, v.id
	pass := bridge.Pass{NoRetain: d.noRetain}
	if id != nil {
		pass.Expires = id.Expires
	}
	if d.policy != nil {
		pass.Policy = d.policy.For(id)
	}
	return pass
}

// host is an address without its port; a socket file's stays as it is.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

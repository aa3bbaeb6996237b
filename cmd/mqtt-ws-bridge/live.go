package main

import (
	"log/slog"
	"slices"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
)

// A livePart is a part of the program that takes new values of some keys while it runs.
type livePart struct {
	keys []string // or sections
	// prepare makes and checks what the part needs of next, and registers with c what puts it into use or releases it. It changes nothing
	// that is in use. It is called for any change of the keys, once.
	prepare func(c *current.Change, next *config.Config) error
}

// liveParts are all of them. A key that none has takes effect after a restart.
func (p *process) liveParts() []livePart {
	return []livePart{
		{[]string{"log"}, p.prepareLog},
		{[]string{"paths", "health-path", "browser-reasons", "origins", "subprotocol", "addresses.header", "addresses.trusted-proxies", "downlink.frame-size", "limits.control-frames"},
			p.prepareHandler},
		{[]string{"listen", "tls", "addresses.proxy-protocol"}, p.prepareListeners},
		{[]string{"admin"}, p.prepareAdmin},
		{[]string{"limits.sessions", "limits.connect-size", "limits.connect-timeout", "limits.packet-size", "limits.subscribe-filters",
			"limits.packet-timeout", "limits.write-timeout", "upstream.connack-timeout", "upstream.dial-timeout", "keepalive", "downlink.ping-interval",
			"quotas.device.subscriptions", "quotas.device.topic-levels"},
			p.prepareLimits},
		{[]string{"upstream"}, p.prepareUpstream},
		{[]string{"quotas"}, p.prepareQuotas},
		{[]string{"access", "origins"}, p.prepareAccess},                                // sources that browsers use compare origins
		{[]string{"drain"}, func(*current.Change, *config.Config) error { return nil }}, // read when it begins
	}
}

func (p *process) prepareLog(c *current.Change, next *config.Config) error {
	c.OnCommit(func() {
		p.bridge.SetLog(next.Log.Rate, next.Log.Connects)
		if p.setLog != nil {
			p.setLog(next.Log)
		}
	})
	return nil
}

func (p *process) prepareHandler(c *current.Change, next *config.Config) error {
	handler, err := p.newHandler(next)
	if err != nil {
		return err
	}
	shared, err := sharedPeers(next)
	if err != nil {
		return err
	}
	p.handler.Replace(c, &handler)
	p.shared.Replace(c, &shared)
	return nil
}

func (p *process) prepareLimits(c *current.Change, next *config.Config) error {
	c.OnCommit(func() { p.bridge.SetLimits(bridgeLimits(next)) })
	return nil
}

func (p *process) prepareAccess(c *current.Change, next *config.Config) error {
	c.OnCommit(func() { p.bridge.SetDenial(denial(next)) })
	return p.access.prepare(p.ctx, c, next)
}

// hinders says why a key cannot take its new value before a restart, for those where that depends on it; "": it can.
func (p *process) hinders(key string, next *config.Config) string {
	switch key {
	case "limits.sessions":
		if next.Limits.Sessions > p.cfg.Limits.Sessions {
			return "file descriptors were shared out at the start"
		}
	case "listen":
		if slices.ContainsFunc(next.Listen, func(text string) bool { return !keepsSocket(text, p.sockets()...) }) {
			return "the file of a Unix socket that stays has its mode and group"
		}
	case "admin.listen":
		if !keepsSocket(next.Admin.Listen, p.adminListener) {
			return "the file of a Unix socket that stays has its mode and group"
		}
	}
	return p.embeddedStays(key, next)
}

// reloadConfig reads the configuration again and puts into use what can be, all of it or nothing. One line says what became of each key
// that has changed. False: it is not good, and nothing was changed.
func (p *process) reloadConfig() bool {
	if p.load == nil {
		return true
	}
	loaded, err := p.load()
	if err != nil {
		p.log.Warn("the configuration is not used; what was in use stays", "error", err.Error())
		return false
	}
	now := p.running.Load()
	changed := config.Changed(now, loaded)
	if len(changed) == 0 {
		p.log.Info("configuration loaded; nothing in it has changed")
		return true
	}
	var live, later, because []string
	parts := p.liveParts()
	for _, key := range changed {
		why := p.hinders(key, loaded)
		if why == "" && partOf(parts, key) {
			live = append(live, key)
			continue
		}
		if later = append(later, key); why != "" {
			because = append(because, key+": "+why)
		}
	}
	next := config.With(now, loaded, live)
	var change current.Change
	defer change.Abort()
	switch needsRestart, err := prepareParts(&change, parts, live, next); {
	case needsRestart:
		p.log.Warn("the configuration needs a restart; what was in use stays", "after_restart", changed, "error", err.Error())
		return true
	case err != nil:
		p.log.Warn("the configuration is not used; what was in use stays", "error", err.Error())
		return false
	}
	p.running.Replace(&change, next)
	change.Commit()
	level := slog.LevelInfo
	if len(later) > 0 {
		level = slog.LevelWarn
	}
	attrs := []any{"in_effect", live, "after_restart", later}
	if len(because) > 0 {
		attrs = append(attrs, "because", because)
	}
	p.log.Log(p.ctx, level, "configuration loaded", attrs...)
	return true
}

func partOf(parts []livePart, key string) bool {
	for _, part := range parts {
		if config.Within(key, part.keys) {
			return true
		}
	}
	return false
}

// prepareParts prepares the parts that have one of these keys. If it fails, needsRestart says that the configuration is good, but not beside
// what is in effect until a restart.
func prepareParts(c *current.Change, parts []livePart, keys []string, next *config.Config) (needsRestart bool, err error) {
	if err := config.Validate(next); err != nil {
		return true, err
	}
	for _, part := range parts {
		if !slices.ContainsFunc(keys, func(key string) bool { return config.Within(key, part.keys) }) {
			continue
		}
		if err := part.prepare(c, next); err != nil {
			return false, err
		}
	}
	return false, nil
}

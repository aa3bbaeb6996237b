package config

import (
	"fmt"
	"slices"
	"strings"
)

// access checks what can be said about access without opening its files; the rest is found when access control is built.
func (c *checker) access() {
	c.accessSources()
	c.accessRules()
	if m := c.cfg.Access.Mount; m != "" && !strings.HasSuffix(m, "/") {
		c.refuse("access.mount", flawf("write / at its end", "%s would run into the topics", show(m)))
	}
}

func (c *checker) accessSources() {
	if !c.sound("access.sources") {
		return
	}
	certificates := 0
	for i := range c.cfg.Access.Sources {
		s := &c.cfg.Access.Sources[i]
		path := fmt.Sprintf("access.sources[%d]", i)
		switch s.Type {
		case "basic":
			c.needs(path, "file", s.File)
		case "token":
			c.tokenSource(path, s)
		case "certificate":
			certificates++
			c.certificateSource(path, s)
		case "callback":
			c.needs(path, "url", s.URL)
			c.one(path+".method", s.Method, "", "GET", "POST")
		default:
			c.refuse(path+".type", flawf("write basic, token, certificate or callback", "%s is not a kind of proof", show(s.Type)))
		}
		for name, d := range map[string]int64{"refresh": int64(s.Refresh), "leeway": int64(s.Leeway), "timeout": int64(s.Timeout),
			"remember-allowed": int64(s.RememberAllowed), "remember-denied": int64(s.RememberDenied)} {
			if d < 0 {
				c.refuse(path+"."+name, flawf("write 0 or more", "%s is below zero", name))
			}
		}
	}
	if certificates > 1 {
		c.refuse("access.sources", flawf("keep one; tls.client-ca may hold several authorities", "has %d sources of type certificate", certificates))
	}
}

func (c *checker) tokenSource(path string, s *AccessSource) {
	c.one(path+".in", s.In, "bearer", "cookie", "query", "subprotocol")
	if s.In != "bearer" {
		c.needs(path, "name", s.Name)
	}
	if s.In == "cookie" && len(c.cfg.Origins) == 0 {
		c.refuse(path+".in", flawf("list the pages that may connect under origins", "a token in a cookie could be used by any page"))
	}
	c.needs(path, "issuer", s.Issuer)
	if len(s.Audience) == 0 || slices.Contains(s.Audience, "") {
		c.refuse(path+".audience", flawf("write what is in the aud of your tokens", "audience is empty"))
	}
	if (len(s.Keys) > 0) == (s.KeySet != "") {
		c.refuse(path+".keys", flawf("write either keys or key-set", "there are no keys, or two kinds of them"))
	}
	for i := range s.Keys {
		c.needs(fmt.Sprintf("%s.keys[%d]", path, i), "file", s.Keys[i].File)
	}
}

func (c *checker) certificateSource(path string, s *AccessSource) {
	c.one(path+".name", s.Name, "cn", "dns", "uri", "email")
	if c.cfg.TLS.ClientAuth == "off" {
		c.refuse(path+".type", flawf("set tls.client-auth to request or require, and tls.client-ca", "no device is asked for its certificate"))
	}
}

func (c *checker) accessRules() {
	if !c.sound("access.rules") {
		return
	}
	for i, r := range c.cfg.Access.Rules {
		path := fmt.Sprintf("access.rules[%d]", i)
		switch {
		case (r.Allow == "") == (r.Deny == ""):
			c.refuse(path, flawf("write allow: or deny: with publish, subscribe or all", "does not have exactly one of allow and deny"))
		case r.Allow != "":
			c.one(path+".allow", r.Allow, "publish", "subscribe", "all")
		default:
			c.one(path+".deny", r.Deny, "publish", "subscribe", "all")
		}
		if len(r.Topics) == 0 {
			c.refuse(path+".topics", flawf("write at least one, such as devices/{{client_id}}/#", "topics is empty"))
		}
	}
}

// needs refuses a record that lacks a key.
func (c *checker) needs(path, name, value string) {
	if value == "" {
		c.refuse(path+"."+name, flawf("set it", "%s is missing", name))
	}
}

// one refuses a word that is not one of these.
func (c *checker) one(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		named := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" })
		c.refuse(path, flawf("write "+strings.Join(named, ", "), "%s is not possible", show(value)))
	}
}

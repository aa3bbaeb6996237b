package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
)

// brokerOptions are the brokers of upstream and how they are reached, without log and metrics. tls is asked before each dial.
func brokerOptions(cfg *config.Config, tls func() *tls.Config) (opts upstream.Options, err error) {
	up := &cfg.Upstream
	headers := make(http.Header)
	for name, value := range up.Headers {
		headers.Set(name, string(value))
	}
	var urls []*url.URL
	for _, text := range up.URLs {
		u, err := config.ParseUpstream(text)
		if err != nil {
			return opts, err
		}
		urls = append(urls, u)
	}
	opts = upstream.Options{
		URLs: urls, TLS: tls, Headers: headers, Subprotocol: up.Subprotocol,
		ProxyProtocol: slices.Index([]string{"off", "v1", "v2"}, up.ProxyProtocol),
		Trust:         upstream.Trust{CommonName: up.TLS.CommonName}, ALPN: up.TLS.ALPN,
		PingInterval: up.PingInterval, DialTimeout: up.DialTimeout, HealthInterval: up.HealthInterval,
	}
	for _, text := range up.TLS.Pins {
		pin, err := config.ParsePin(text)
		if err != nil {
			return opts, err
		}
		opts.Trust.Pins = append(opts.Trust.Pins, pin)
	}
	if up.Proxy.URL != "" {
		address, err := config.ParseProxy(up.Proxy.URL)
		if err != nil {
			return opts, err
		}
		opts.Proxy = upstream.Proxy{Address: address, Username: up.Proxy.Username, Password: string(up.Proxy.Password)}
	}
	return opts, nil
}

// prepareUpstream probes brokers that are new, for as long as a dial may take, so that devices do not have to wait for that.
func (p *process) prepareUpstream(c *current.Change, next *config.Config) error {
	files, err := p.brokerTLS.PrepareClient(next.BrokerTLS())
	if err != nil {
		return fmt.Errorf("upstream.tls: %w", err)
	}
	opts, err := brokerOptions(next, files.Config)
	if err != nil {
		return err
	}
	brokers, err := p.pool.Prepare(p.ctx, opts)
	if err != nil {
		return err
	}
	c.OnCommit(func() {
		files.Use()
		p.bridge.SetBrokers(brokers.Names())
		p.pool.Replace(brokers)
	})
	return nil
}

// embeddedStays says why keys of upstream cannot change where the embedded broker would appear or disappear; "": they can.
func (p *process) embeddedStays(key string, next *config.Config) string {
	switch {
	case !config.Within(key, []string{"upstream"}) || key == "upstream.connack-timeout":
		return ""
	case p.pool == nil:
		return "the embedded broker serves until the bridge ends"
	case len(next.Upstream.URLs) == 0:
		return "the embedded broker can only be started with the bridge"
	}
	return ""
}

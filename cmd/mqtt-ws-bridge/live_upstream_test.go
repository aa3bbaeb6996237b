package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
)

// reloads has the process take what change makes of the configuration that it has, and returns the line about it.
func reloads(t *testing.T, p *process, log *logged, change func(*config.Config)) map[string]any {
	t.Helper()
	next := *p.running.Load()
	change(&next)
	p.load = func() (*config.Config, error) { return &next, nil }
	log.reset()
	if !p.reloadConfig() {
		t.Error("a good configuration is refused")
	}
	return log.await(t, "configuration loaded", "")
}

// TestReloadBrokers: brokers come and go, and TLS files that change hold from the next dial on.
func TestReloadBrokers(t *testing.T) {
	p, brokers, log := startBridge(t, func(cfg *config.Config) {})
	ca := certs.New(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.Close() // as brokers do who are probed no longer
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	first, second := p.pool.Names()[0], "tcp://"+l.Addr().String()
	line := reloads(t, p, log, func(cfg *config.Config) {
		cfg.Upstream.URLs = append([]string{second}, cfg.Upstream.URLs...)
		cfg.Upstream.DialTimeout *= 2
	})
	if fmt.Sprint(line["in_effect"]) != "[upstream.urls upstream.dial-timeout]" || line["after_restart"] != nil {
		t.Errorf("logged as %v", line)
	}
	log.await(t, "broker added; it does not answer", "")
	if names := p.pool.Names(); len(names) != 2 || names[0] != second || names[1] != first {
		t.Errorf("the brokers are %q", names)
	}
	broker, err := p.pool.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil || broker.Name != first {
		t.Fatalf("it dials %s: %v", broker.Name, err)
	}
	broker.Close()
	for len(brokers) > 0 {
		(<-brokers).Close()
	}

	reloads(t, p, log, func(cfg *config.Config) {
		cfg.Upstream.URLs = []string{"tls://" + l.Addr().String()}
		cfg.Upstream.TLS.CA = ca.File
	})
	log.await(t, "broker removed; its sessions stay until they end", "")
	if roots := p.brokerTLS.Config().RootCAs; roots == nil || !roots.Equal(ca.Pool()) {
		t.Error("the authorities of brokers are those of before")
	}
}

// TestReloadBrokersNot: what is broken changes nothing, and the embedded broker does not appear.
func TestReloadBrokersNot(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) {})
	next := *p.running.Load()
	next.Upstream.URLs = []string{"tls://127.0.0.1:1"}
	next.Upstream.TLS.CA = "/nowhere"
	next.Paths = []string{"/new"}
	p.load = func() (*config.Config, error) { return &next, nil }
	p.reloadConfig()
	if now := p.running.Load(); now.Paths[0] == "/new" || now.Upstream.TLS.CA != "" {
		t.Error("a file that is not there is in use, or the rest of the configuration is")
	}
	line := reloads(t, p, log, func(cfg *config.Config) {
		cfg.Upstream.URLs, cfg.Upstream.HealthInterval = nil, 2*cfg.Upstream.HealthInterval
	})
	if fmt.Sprint(line["after_restart"]) != "[upstream.urls upstream.health-interval]" || !strings.Contains(fmt.Sprint(line["because"]), "the embedded broker can only be started with the bridge") {
		t.Errorf("the embedded broker appears: logged as %v", line)
	}
}

// TestReloadQuotas: quotas come, change and go, at the gate for handshakes too.
func TestReloadQuotas(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) {})
	if s, _ := p.quotas.Enter("192.0.2.1", ""); s != nil {
		t.Fatal("something is limited")
	}
	line := reloads(t, p, log, func(cfg *config.Config) {
		cfg.Quotas.Address.Connections, cfg.Quotas.IPv6Prefix, cfg.Quotas.Device.Subscriptions = 1, 48, 5
	})
	if fmt.Sprint(line["in_effect"]) != "[quotas.ipv6-prefix quotas.device.subscriptions quotas.address.connections]" {
		t.Errorf("logged as %v", line)
	}
	s, _ := p.quotas.Enter("192.0.2.1", "")
	if s == nil || p.quotas.Admit("192.0.2.1") == nil {
		t.Fatal("nothing is limited")
	}
	reloads(t, p, log, func(cfg *config.Config) { cfg.Quotas.Address.Connections = 2 })
	if p.quotas.Admit("192.0.2.1") != nil {
		t.Error("the limit is the one of before")
	}
	s.Leave()
}

package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
)

// reloadWith has the bridge take what a change makes of the configuration in effect, and returns the line about it.
func reloadWith(t *testing.T, p *process, log *logged, message string, change func(*config.Config)) map[string]any {
	t.Helper()
	next := *p.running.Load()
	change(&next)
	if err := config.Validate(&next); err != nil {
		t.Fatal(err)
	}
	p.load = func() (*config.Config, error) { return &next, nil }
	log.reset()
	p.reloadConfig()
	return log.await(t, message, "")
}

const (
	applied   = "configuration loaded"
	unchanged = "the configuration is not used; what was in use stays"
)

// joined is a device on nc that is connected to its broker.
func joined(t *testing.T, nc net.Conn, brokers chan net.Conn) (broker net.Conn) {
	t.Helper()
	send(t, nc, upgradeHead+offer+"\r\n"+framed(connectPacket))
	broker = <-brokers
	t.Cleanup(func() { broker.Close() })
	receive(t, broker, connectPacket)
	return broker
}

func dialAt(t *testing.T, network, address string) net.Conn {
	t.Helper()
	nc, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

// TestReloadListeners: a reload opens listeners that are new and closes those that are named no more. Devices that came through them stay.
func TestReloadListeners(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	p, brokers, log := startBridge(t, func(*config.Config) {})
	old := p.deviceListeners[0].Addr().String()
	device := dialDevices(t, p)
	broker := joined(t, device, brokers)

	line := reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Listen = []string{"unix://" + socket} })
	if fmt.Sprint(line["in_effect"], line["after_restart"]) != "[listen] <nil>" {
		t.Errorf("logged as %v", line)
	}
	if nc, err := net.Dial("tcp", old); err == nil {
		nc.Close()
		t.Error("the listener that was removed is still open")
	}
	joined(t, dialAt(t, "unix", socket), brokers)
	send(t, device, framed("\xc0\x00"))
	receive(t, broker, "\xc0\x00")

	// The socket's mode is given when it is opened.
	line = reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Listen = []string{"unix://" + socket + "?mode=0666"} })
	if fmt.Sprint(line["in_effect"], line["after_restart"]) != "<nil> [listen]" {
		t.Errorf("logged as %v", line)
	}
	select {
	case err := <-p.listenFailed:
		t.Errorf("a listener that was removed has failed: %v", err)
	default:
	}
}

// TestReloadPortInUse: an address that cannot be opened leaves everything as it was, other addresses too, and the line names it.
func TestReloadPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	socket := filepath.Join(t.TempDir(), "s")
	p, brokers, log := startBridge(t, func(*config.Config) {})
	for _, change := range []func(*config.Config){
		func(cfg *config.Config) {
			cfg.Listen = []string{"unix://" + socket, taken.Addr().String()}
		},
		func(cfg *config.Config) {
			cfg.Listen, cfg.Admin.Listen = []string{"unix://" + socket}, taken.Addr().String()
		},
	} {
		line := reloadWith(t, p, log, unchanged, func(cfg *config.Config) {
			cfg.Paths = []string{"/new"}
			change(cfg)
		})
		if text := fmt.Sprint(line["error"]); !strings.Contains(text, "listen") || !strings.Contains(text, taken.Addr().String()) {
			t.Errorf("logged as %v", line)
		}
		if _, err := os.Lstat(socket); err == nil {
			t.Error("a listener that was opened for nothing is still there")
		}
		joined(t, dialDevices(t, p), brokers)
	}
}

// TestReloadTLS: a listener changes between plain and TLS on the same socket, and TLS its settings, for the next connection.
func TestReloadTLS(t *testing.T) {
	ca := certs.New(t)
	own := ca.Server(t, "127.0.0.1")
	p, brokers, log := startBridge(t, func(*config.Config) {})
	plain := dialDevices(t, p)
	broker := joined(t, plain, brokers)
	secure := func(most uint16) (*tls.Conn, error) {
		tc := tls.Client(dialDevices(t, p), &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", MaxVersion: most})
		return tc, tc.Handshake()
	}

	reloadWith(t, p, log, applied, func(cfg *config.Config) {
		cfg.Listen, cfg.TLS.Cert, cfg.TLS.Key = []string{"wss://127.0.0.1:0"}, own.CertFile, own.KeyFile
	})
	tc, err := secure(tls.VersionTLS12)
	if err != nil {
		t.Fatal(err)
	}
	joined(t, tc, brokers)

	line := reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.TLS.MinVersion = "1.3" })
	if fmt.Sprint(line["in_effect"], line["after_restart"]) != "[tls.min-version] <nil>" {
		t.Errorf("logged as %v", line)
	}
	if _, err := secure(tls.VersionTLS12); err == nil {
		t.Error("TLS 1.2 is accepted")
	}
	reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.TLS.ClientAuth, cfg.TLS.ClientCA = "require", ca.File })
	tc, err = secure(0)
	if err == nil { // TLS 1.3: the refusal comes after the client's part of the handshake
		_, err = tc.Read(make([]byte, 1))
	}
	if err == nil {
		t.Error("a device without a certificate is accepted")
	}
	reloadWith(t, p, log, applied, func(cfg *config.Config) {
		cfg.Listen, cfg.TLS = []string{"ws://127.0.0.1:0"}, config.Default().TLS
	})
	joined(t, dialDevices(t, p), brokers)

	send(t, plain, framed("\xc0\x00"))
	receive(t, broker, "\xc0\x00")
}

// TestReloadAdmin: the operator's listener is opened, moved and closed, and gets and loses its profiles.
func TestReloadAdmin(t *testing.T) {
	p, _, log := startBridge(t, func(*config.Config) {})
	get := func(path string) int {
		t.Helper()
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
		resp, err := client.Get("http://" + p.adminListener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Admin.Listen = "127.0.0.1:0" })
	if health, profiles := get("/healthz"), get("/debug/pprof/"); health != 200 || profiles != 404 {
		t.Errorf("answered %d and %d", health, profiles)
	}
	first := p.adminListener.Addr().String()
	reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Admin.Listen, cfg.Admin.Pprof = "localhost:0", "on" })
	if health, profiles := get("/healthz"), get("/debug/pprof/"); health != 200 || profiles != 200 {
		t.Errorf("answered %d and %d", health, profiles)
	}
	if nc, err := net.Dial("tcp", first); err == nil {
		nc.Close()
		t.Error("the address before is still open")
	}
	reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Admin.Listen = "" })
	if p.adminListener != nil {
		t.Error("the operator's listener is still there")
	}
}

// TestReloadProxyProtocol: the peers that have to send a PROXY header change for the next connection.
func TestReloadProxyProtocol(t *testing.T) {
	p, brokers, log := startBridge(t, func(*config.Config) {})
	joined(t, dialDevices(t, p), brokers)
	reloadWith(t, p, log, applied, func(cfg *config.Config) { cfg.Addresses.ProxyProtocol = []string{"127.0.0.1"} })
	nc := dialDevices(t, p)
	send(t, nc, "PROXY TCP4 192.0.2.7 192.0.2.1 1000 443\r\n")
	joined(t, nc, brokers)
	if line := log.await(t, "device connected", ""); !strings.Contains(fmt.Sprint(line), "192.0.2.7") {
		t.Errorf("logged as %v", line)
	}
}

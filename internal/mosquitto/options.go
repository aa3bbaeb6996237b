package mosquitto

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/certs"
)

// Options say what the broker offers beside its plain TCP listener. The zero value is a broker for anybody, on TCP alone.
type Options struct {
	TLS        bool              // a TLS listener
	ClientCert bool              // ... that wants a certificate of the broker's authority from its clients
	WebSocket  bool              // Mosquitto's own WebSocket listener
	WSS        bool              // ... and the same with TLS
	Unix       bool              // a listener on a Unix socket
	Users      map[string]string // passwords by user name; with any, nobody else may connect
	Persistent bool              // sessions and retained messages survive Restart
	Config     []string          // further lines for the configuration file, before the listeners
}

// config writes the configuration file, and the files it names, into the broker's directory.
func (b *Broker) config(t testing.TB, o Options) string {
	t.Helper()
	lines := []string{
		// Started as root, Mosquitto would give up root for a user who cannot read the test's files.
		"user root",
		"log_dest stderr", "log_type all", "connection_messages true",
		"sys_interval 0", "max_queued_messages 100000", "max_inflight_messages 1000",
		"set_tcp_nodelay true",
	}
	if len(o.Users) == 0 {
		lines = append(lines, "allow_anonymous true")
	} else {
		lines = append(lines, "allow_anonymous false", "password_file "+b.passwords(t, o.Users))
	}
	if o.Persistent {
		lines = append(lines, "persistence true", "persistence_location "+b.dir+"/", "autosave_interval 1", "autosave_on_changes true")
	}
	lines = append(lines, o.Config...)
	lines = append(lines, listener(b.TCP))
	if o.Unix {
		lines = append(lines, "listener 0 "+b.Unix)
	}
	if o.WebSocket {
		lines = append(lines, listener(b.WebSocket), "protocol websockets")
	}
	if o.TLS || o.WSS {
		b.Authority = certs.New(t)
		b.Leaf = b.Authority.Server(t, b.host)
		secure := []string{"cafile " + b.Authority.File, "certfile " + b.Leaf.CertFile, "keyfile " + b.Leaf.KeyFile}
		if o.TLS {
			lines = append(append(lines, listener(b.TLS)), secure...)
			lines = append(lines, fmt.Sprintf("require_certificate %t", o.ClientCert))
		}
		if o.WSS {
			lines = append(append(lines, listener(b.WSS), "protocol websockets"), secure...)
		}
	}
	file := filepath.Join(b.dir, "mosquitto.conf")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatalf("write the broker's configuration: %v", err)
	}
	return file
}

// passwords makes a password file with Mosquitto's own tool.
func (b *Broker) passwords(t testing.TB, users map[string]string) string {
	t.Helper()
	file := filepath.Join(b.dir, "passwords")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatalf("write the password file: %v", err)
	}
	for user, password := range users {
		if out, err := exec.Command("mosquitto_passwd", "-b", file, user, password).CombinedOutput(); err != nil {
			t.Fatalf("add %q to the password file: %v\n%s", user, err, out)
		}
	}
	return file
}

// listener is the configuration line for a host:port.
func listener(address string) string {
	host, port, _ := strings.Cut(address, ":")
	return "listener " + port + " " + host
}

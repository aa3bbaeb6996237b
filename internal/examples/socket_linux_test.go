package examples

import (
	"os"
	"path/filepath"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestSocketBehindNginx: nginx, whose workers are of another user, reaches the bridge through a socket whose group is theirs, though the
// umask is that of the shipped unit. Without the group it cannot.
func TestSocketBehindNginx(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can have nginx run its workers as www-data")
	}
	install.Debian(t, "nginx")
	broker := mosquitto.Start(t, mosquitto.Options{})
	binary := bridgeproc.Build(t)
	for query, works := range map[string]bool{"": false, "?mode=0660&group=www-data": true} {
		t.Run(query, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range []string{filepath.Dir(dir), dir} { // what the system's service manager does with /run/NAME
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			socket := filepath.Join(dir, "devices.sock")
			bridgeproc.Start(t, bridgeproc.Options{Binary: binary, Upstream: "tcp://" + broker.TCP,
				Wrapper: []string{"sh", "-c", `umask 0077; exec "$@"`, "sh"}, Args: []string{"--listen", "unix://" + socket + query}})
			address := loopback.Address(t, loopback.Host())
			config := filepath.Join(dir, "nginx.conf")
			text := "user www-data;\nevents {}\nhttp {\naccess_log off;\nserver {\nlisten " + address + ";\nlocation / {\nproxy_pass http://unix:" + socket + ";\n" +
				"proxy_http_version 1.1;\nproxy_set_header Host $host;\nproxy_set_header Upgrade $http_upgrade;\nproxy_set_header Connection upgrade;\n}\n}\n}\n"
			if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			p := proxies[0]
			p.run(t, p.command(config, dir), address)
			s := &site{url: "ws://" + address}
			ws, answer, err := s.dial(t, device{})
			if works && err != nil || !works && (answer == nil || answer.StatusCode != 502) {
				t.Fatalf("%v, %v", answer, err)
			}
			if works {
				if code := connect(t, ws, device{id: "a"}); code != 0 {
					t.Errorf("CONNACK has return code %d", code)
				}
			}
		})
	}
}

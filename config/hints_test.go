package config

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/certs"
)

// TestHintsLeadOut: what is said of a mistake is what to write instead.
func TestHintsLeadOut(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		env  []string
		want string
	}{
		"dots in the file":       {file: "limits.sessions: 5\n", want: ":1: limits.sessions: no such key; write each level on a line of its own: limits: {sessions: VALUE}"},
		"dots, below a section":  {file: "upstream:\n  tls.ca: x\n", want: ":2: upstream.tls.ca: no such key; write each level on a line of its own: tls: {ca: VALUE}"},
		"list in one text":       {file: "upstream:\n  urls: tcp://a, tcp://u:canary@b\n", want: `:2: upstream.urls: is a single value, not a list; write urls: ["tcp://a", "tcp://***@b"]`},
		"short flag in the file": {file: "upstream: tcp://u:canary@b\n", want: `:1: upstream: is a single value, not a map; write upstream: {urls: ["tcp://***@b"]}`},
		"short flag, off":        {file: "admin: off\n", want: `:1: admin: is a single value, not a map; write admin: {listen: "off"}`},
		"short flag":             {env: []string{"UPSTREAM=tcp://b"}, want: "MQTT_WS_BRIDGE_UPSTREAM: no key has this variable; did you mean MQTT_WS_BRIDGE_UPSTREAM_URLS?"},
		"short flag, admin":      {env: []string{"ADMIN=:1"}, want: "MQTT_WS_BRIDGE_ADMIN: no key has this variable; did you mean MQTT_WS_BRIDGE_ADMIN_LISTEN?"},
		"section":                {env: []string{"KEEPALIVE=1s"}, want: "MQTT_WS_BRIDGE_KEEPALIVE: no key has this variable; it is a section; its keys are MQTT_WS_BRIDGE_KEEPALIVE_GRACE, MQTT_WS_BRIDGE_KEEPALIVE_IDLE_TIMEOUT"},
		"records":                {env: []string{"ACCESS_SOURCES=x"}, want: "MQTT_WS_BRIDGE_ACCESS_SOURCES: a variable cannot hold records; write access.sources into the file that --config or MQTT_WS_BRIDGE_CONFIG names"},
		"file and value":         {env: []string{"LISTEN=:1", "LISTEN_FILE=x"}, want: "MQTT_WS_BRIDGE_LISTEN_FILE: listen: MQTT_WS_BRIDGE_LISTEN is set as well; unset one of them"},
		"file that is not there": {env: []string{"LISTEN_FILE=testdata/none"}, want: "MQTT_WS_BRIDGE_LISTEN_FILE: listen: testdata/none: no such file; name a readable file"},
		"variable in a value":    {file: "log: {level: '${NO_SUCH}'}\n", want: "log.level: the variable NO_SUCH is not set or empty; set the variable, or write ${NO_SUCH:-TEXT}"},
		"bad variable":           {file: "log: {level: '${a-b}'}\n", want: `log.level: "${a-b}" names no variable; write ${NAME} or ${NAME:-TEXT}, and $${ for a plain ${`},
		"variable of a bad type": {file: "drain: {rate: '${MQTT_WS_BRIDGE_X}'}\n", env: []string{"X=canary"}, want: `drain.rate: "${MQTT_WS_BRIDGE_X}" cannot be used here with the value of MQTT_WS_BRIDGE_X; write digits only`},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(t, tc.file, tc.env)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("says\n%v\nwant\n%s", err, tc.want)
			}
		})
	}
}

// TestOtherWaysToSay: what people write, and container engines, is read as it is meant.
func TestOtherWaysToSay(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cfg, origins := mustLoad(t, "log: {level: '${MQTT_WS_BRIDGE_LOG_LEVEL:-warn}'}\nupstream:\n  headers: {A: '$${x} ${HOME_OF:-z}'}\npaths: ['/${PLACE:-p}']\n",
		[]string{"DRAIN_RATE=7\r", "LISTEN=:1,:2\r\n", "ACCESS_CONNECT_PASSWORD_FILE=" + write("password", "canary\r\n"),
			"ORIGINS_FILE=" + write("origins", "http://a\nhttp://b\n")}, "--upstream=tcp://a, tcp://b", "--upstream=ws://c")
	got := fmt.Sprint(cfg.Log.Level, cfg.Drain.Rate, cfg.Listen, string(cfg.Access.Connect.Password), cfg.Origins, cfg.Upstream.URLs,
		string(cfg.Upstream.Headers["A"]), cfg.Paths)
	if want := "warn7 [:1 :2]canary[http://a http://b] [tcp://a tcp://b ws://c]${x} z[/p]"; got != want {
		t.Errorf("read %s, want %s", got, want)
	}
	if at := origins.Of("access.connect.password"); at.String() != "MQTT_WS_BRIDGE_ACCESS_CONNECT_PASSWORD_FILE" {
		t.Errorf("the password is from %v", at)
	}
}

// TestEncryptedKey: a key with a passphrase is called that, at the start and when files change.
func TestEncryptedKey(t *testing.T) {
	pair := certs.New(t).Server(t, "bridge.example")
	for name, block := range map[string]*pem.Block{
		"PKCS 8": {Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")},
		"legacy": {Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")},
	} {
		var buf bytes.Buffer
		if err := pem.Encode(&buf, block); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(file, buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := load(t, "", nil, "--tls.cert", pair.CertFile, "--tls.key", file, "--listen", "wss://:1")
		if err == nil || !strings.Contains(err.Error(), "tls.key: "+file+": the key is encrypted; write it without its passphrase: openssl pkey") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package brokers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
)

// write puts a file into the broker's directory and returns its name.
func (b *Broker) write(t testing.TB, name, content string) string {
	t.Helper()
	name = filepath.Join(b.dir, name)
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// nats keeps what MQTT promises in JetStream, for which it wants a name and a folder. Its own protocol gets a port too.
func nats(t testing.TB, b *Broker) []string {
	program := install.Go(t, testdata(t, "nats"), "github.com/nats-io/nats-server/v2")
	config := b.write(t, "nats.conf", fmt.Sprintf("listen: %q\nserver_name: test\njetstream: {store_dir: %q}\nmqtt: {listen: %q, max_ack_pending: 10000}\n",
		loopback.Address(t, b.host), filepath.Join(b.dir, "store"), b.TCP))
	return []string{program, "-c", config}
}

func aedes(t testing.TB, b *Broker) []string {
	modules := install.NPM(t, testdata(t, "npm"))
	host, port, _ := net.SplitHostPort(b.TCP)
	return []string{"node", filepath.Join(testdata(t, "."), "aedes.mjs"), modules, host, port}
}

// rabbitmq runs in the broker's own directory, with a port mapper of its own: the one that Erlang would start outlives it.
func rabbitmq(t testing.TB, b *Broker) []string {
	install.Debian(t, "rabbitmq-server")
	_, mapper, _ := net.SplitHostPort(loopback.Address(t, b.host))
	_, distribution, _ := net.SplitHostPort(loopback.Address(t, b.host))
	b.env = append(os.Environ(), "HOME="+b.dir, "ERL_EPMD_PORT="+mapper, "ERL_EPMD_ADDRESS="+b.host,
		"RABBITMQ_NODENAME=test@localhost", "RABBITMQ_DIST_PORT="+distribution,
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {"+strings.ReplaceAll(b.host, ".", ",")+"}",
		"RABBITMQ_MNESIA_BASE="+filepath.Join(b.dir, "mnesia"), "RABBITMQ_LOG_BASE="+b.dir, "RABBITMQ_LOGS=-",
		"RABBITMQ_PID_FILE="+filepath.Join(b.dir, "pid"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+b.write(t, "plugins", "[rabbitmq_mqtt].\n"),
		"RABBITMQ_CONFIG_FILE="+b.write(t, "rabbitmq.conf", "listeners.tcp = none\nmqtt.listeners.tcp.1 = "+b.TCP+
			"\nmqtt.allow_anonymous = true\nloopback_users.guest = false\n"))
	b.await(t, "epmd", net.JoinHostPort(b.host, mapper), b.run(t, "epmd", "epmd", "-address", b.host, "-port", mapper))
	return []string{"/usr/lib/rabbitmq/bin/rabbitmq-server"}
}

// testdata is a folder below this package's testdata, for tests of other packages too.
func testdata(t testing.TB, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "brokers", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

package realclients

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/install"
	"mqtt-ws-bridge/internal/loopback"
	"mqtt-ws-bridge/internal/mosquitto"
)

// TestSmallTLSBuffers: a device whose TLS (BearSSL) has a small buffer for records receives all retained messages, if it asks for
// small records with max_fragment_length (RFC 6066 section 4), or if tls.record-size is set. If neither, its TLS fails: that is how the
// test knows that it would see larger records.
func TestSmallTLSBuffers(t *testing.T) {
	t.Parallel()
	install.Debian(t, "gcc", "libc6-dev", "libbearssl-dev")
	device := filepath.Join(t.TempDir(), "device")
	compile := exec.Command("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-o", device, "testdata/bearssl/device.c", "-lbearssl")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("compile the device: %v\n%s", err, out)
	}
	broker := mosquitto.Start(t, mosquitto.Options{})
	const messages = 301
	retain(t, broker.TCP, messages)
	binary, host := bridgeproc.Build(t), loopback.Host()
	ca := certs.New(t)
	short := ca.Server(t, host)
	long := longChain(t, ca, short)
	for _, b := range []struct {
		name, cert string
		args       []string
		devices    map[string]string // size and wish: what comes
	}{
		{"default", short.CertFile, nil, map[string]string{"2048 ask": "", "2048 silent": "read: BearSSL error 6", "16384 silent": ""}},
		{"chain of 4 KiB", long, nil, map[string]string{"2048 ask": "", "512 ask": "", "2048 silent": "read: BearSSL error 6"}},
		{"record-size 2KiB", short.CertFile, []string{"--tls.record-size", "2KiB"}, map[string]string{"2048 silent": "", "1024 ask": "", "4096 ask": ""}},
		{"record-size 512B without loops", short.CertFile, []string{"--tls.record-size", "512B", "--event-loops", "off"},
			map[string]string{"512 silent": "", "512 ask": ""}},
	} {
		address := loopback.Address(t, host)
		bridgeproc.Start(t, bridgeproc.Options{Binary: binary, Upstream: "tcp://" + broker.TCP,
			Args: append([]string{"--listen", "wss://" + address, "--tls.cert", b.cert, "--tls.key", short.KeyFile}, b.args...)})
		for device2, want := range b.devices {
			t.Run(b.name+", buffer "+device2, func(t *testing.T) {
				if want == "" {
					want = fmt.Sprint("received ", messages)
				}
				size, wish, _ := strings.Cut(device2, " ")
				if got := runDevice(t, device, address, short, size, wish, messages); got != want {
					t.Errorf("the device says %q, want %q", got, want)
				}
			})
		}
	}
}

// runDevice runs the device to its end and returns what it says.
func runDevice(t *testing.T, binary, address string, server certs.Pair, size, wish string, messages int) string {
	t.Helper()
	key, err := pair(t, server).Leaf.PublicKey.(interface{ Bytes() ([]byte, error) }).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	// Its status says no more than its words. It does not wait longer than the bridge does: a silent bridge would end it at its keep alive.
	said, _ := exec.CommandContext(t.Context(), binary, host, port, hex.EncodeToString(key), size, wish, fmt.Sprint(messages)).Output()
	return strings.TrimSpace(string(said))
}

// retain leaves n retained messages with the broker, one of 5,000 bytes and the others of 100.
func retain(t *testing.T, address string, n int) {
	t.Helper()
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + address).SetClientID("publisher"))
	wait := func(token mqtt.Token) {
		t.Helper()
		if !token.WaitTimeout(patience) || token.Error() != nil {
			t.Fatalf("leave retained messages: %v", token.Error())
		}
	}
	wait(client.Connect())
	defer client.Disconnect(0)
	for i := range n {
		size := 100
		if i == 0 {
			size = 5000
		}
		wait(client.Publish(fmt.Sprint("r/", i), 1, true, bytes.Repeat([]byte{'m'}, size)))
	}
}

// longChain is a file with a server's certificate and so much behind it that it has over 4 KiB.
func longChain(t *testing.T, ca *certs.Authority, server certs.Pair) string {
	t.Helper()
	chain, err := os.ReadFile(server.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	chain = append(chain, bytes.Repeat(issuer, 12)...)
	file := filepath.Join(t.TempDir(), "chain.pem")
	if err := os.WriteFile(file, chain, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

package mosquitto

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// connect says CONNECT on the connection and returns the broker's reason code.
func connect(t *testing.T, conn net.Conn, user, password string) byte {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	hello := packets.NewControlPacket(packets.CONNECT)
	content := hello.Content.(*packets.Connect)
	content.ClientID, content.CleanStart = "witness", true
	if user != "" {
		content.UsernameFlag, content.Username = true, user
		content.PasswordFlag, content.Password = true, []byte(password)
	}
	if _, err := hello.WriteTo(conn); err != nil {
		t.Fatalf("send CONNECT: %v", err)
	}
	answer, err := packets.ReadPacket(conn)
	if err != nil {
		t.Fatalf("read CONNACK: %v", err)
	}
	connack, ok := answer.Content.(*packets.Connack)
	if !ok {
		t.Fatalf("got %s, want CONNACK", answer.PacketType())
	}
	return connack.ReasonCode
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestEveryListener(t *testing.T) {
	b := Start(t, Options{TLS: true, ClientCert: true, WebSocket: true, WSS: true, Unix: true})
	cert := b.Authority.Client(t, "device-1")
	pair, err := tls.LoadX509KeyPair(cert.CertFile, cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{RootCAs: b.Authority.Pool(), ServerName: b.host, Certificates: []tls.Certificate{pair}}
	for name, conn := range map[string]net.Conn{
		"tcp":  dial(t, "tcp", b.TCP),
		"unix": dial(t, "unix", b.Unix),
		"tls":  tls.Client(dial(t, "tcp", b.TLS), secure),
	} {
		if code := connect(t, conn, "", ""); code != 0 {
			t.Errorf("%s: CONNACK %#x", name, code)
		}
	}
	_ = dial(t, "tcp", b.WebSocket).Close()
	_ = dial(t, "tcp", b.WSS).Close()
}

func TestPasswords(t *testing.T) {
	b := Start(t, Options{Users: map[string]string{"alice": "wonder land"}})
	if code := connect(t, dial(t, "tcp", b.TCP), "alice", "wonder land"); code != 0 {
		t.Errorf("the right password: CONNACK %#x", code)
	}
	if code := connect(t, dial(t, "tcp", b.TCP), "alice", "nonsense"); code == 0 {
		t.Error("a wrong password is accepted")
	}
}

func TestRestartKeepsTheAddress(t *testing.T) {
	b := Start(t, Options{Persistent: true})
	for _, end := range []func(){b.Stop, b.Kill} {
		end()
		if conn, err := net.Dial("tcp", b.TCP); err == nil {
			_ = conn.Close()
			t.Fatal("the ended broker still listens")
		}
		b.Restart()
		if code := connect(t, dial(t, "tcp", b.TCP), "", ""); code != 0 {
			t.Errorf("after the restart: CONNACK %#x", code)
		}
	}
	b.Log.WaitFor(t, patience, 2, "New client connected", "witness")
}

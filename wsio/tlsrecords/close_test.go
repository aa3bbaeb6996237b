package tlsrecords_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/tlsrecords"
)

// TestCloseWriteEndsTheStream: the peer sees close_notify and the end of the TCP stream at once, and what it says afterwards still comes.
func TestCloseWriteEndsTheStream(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, c := range []net.Conn{nc, raw} {
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	}
	server := tls.Server(raw, serverConfig(t))
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	client := tls.Client(tlsrecords.Below(nc), &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	conn := tlsrecords.Gather(client)
	if _, err := conn.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(server); string(said) != "last" || err != nil {
		t.Errorf("the peer reads %q, %v", said, err)
	}
	if n, err := raw.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("the stream below goes on: %d bytes, %v", n, err)
	}
	if _, err := server.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(conn); string(said) != "answer" || err != nil {
		t.Errorf("after it: %q, %v", said, err)
	}
}

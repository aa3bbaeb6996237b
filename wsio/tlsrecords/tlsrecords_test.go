package tlsrecords_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// room is how much is read from the socket at once while there is much.
const room = 4 << 10

// peer is the other end: it puts each thing that it says into a record of its own. The test delivers them.
type peer struct {
	secure *tls.Conn
	wire   *cork
}

// cork keeps what is written, once it is in.
type cork struct {
	net.Conn
	in   bool
	kept []byte
}

func (c *cork) Write(p []byte) (int, error) {
	if !c.in {
		return c.Conn.Write(p)
	}
	c.kept = append(c.kept, p...)
	return len(p), nil
}

// SetWriteDeadline does nothing: crypto/tls lets nothing be written after close_notify, but the records are not delivered yet.
func (c *cork) SetWriteDeadline(time.Time) error { return nil }

// connect joins a peer and a Conn by a pipe, which keeps the boundaries of writes.
func connect(t *testing.T, version uint16) (*peer, *tlsrecords.Conn) {
	t.Helper()
	return connectLogged(t, version, nil)
}

// connectLogged writes the peer's secrets to secrets.
func connectLogged(t *testing.T, version uint16, secrets io.Writer) (*peer, *tlsrecords.Conn) {
	t.Helper()
	here, there := net.Pipe()
	wire := &cork{Conn: here}
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version, KeyLogWriter: secrets}
	p := &peer{secure: tls.Client(wire, config), wire: wire}
	server := tls.Server(tlsrecords.Below(there), serverConfig(t))
	shaken := make(chan error, 1)
	go func() { shaken <- p.secure.Handshake() }()
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	wire.in = true
	drained := make(chan struct{})
	go func() { // an alert at the end
		_, _ = io.Copy(io.Discard, here)
		close(drained)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		_ = here.Close()
		<-drained
	})
	return p, tlsrecords.Gather(server)
}

// serverConfig has one certificate for all tests.
func serverConfig(t testing.TB) *tls.Config {
	t.Helper()
	once.Do(func() {
		pair := certs.New(t).Server(t, "bridge.test")
		certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		config = &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true} // nobody reads tickets here
	})
	return config
}

var (
	once   sync.Once
	config *tls.Config
)

// say makes a record of each of these, and returns all of them.
func (p *peer) say(t *testing.T, contents ...[]byte) []byte {
	t.Helper()
	for _, content := range contents {
		if _, err := p.secure.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	return p.taken()
}

// bye returns the records of close_notify.
func (p *peer) bye(t *testing.T) []byte {
	t.Helper()
	if err := p.secure.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	return p.taken()
}

func (p *peer) taken() []byte {
	kept := p.wire.kept
	p.wire.kept = nil
	return kept
}

// deliver sends the records in pieces of at most size bytes.
func (p *peer) deliver(wire []byte, size int) {
	for len(wire) > 0 {
		n := min(size, len(wire))
		if _, err := p.wire.Conn.Write(wire[:n]); err != nil {
			return // the test has ended, and said why
		}
		wire = wire[n:]
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// TestAnyCut: however the network cuts the records and however little room the reader has, the stream is whole, and so is its end.
func TestAnyCut(t *testing.T) {
	var contents [][]byte
	for i := range 60 {
		contents = append(contents, random(i*37%400))
	}
	contents = append(contents, random(20<<10), random(1))
	want := bytes.Join(contents, nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, size := range []int{1, 2, 7, 100, 516, 517, 518, 1000, room, room + 1, 1 << 20} {
			for _, space := range []int{1, 100, 5000} {
				p, conn := connect(t, version)
				go p.deliver(append(p.say(t, contents...), p.bye(t)...), size)
				var got []byte
				n, err, b := 0, error(nil), make([]byte, space)
				for err == nil {
					n, err = conn.Read(b)
					got = append(got, b[:n]...)
				}
				if err != io.EOF || !bytes.Equal(got, want) {
					t.Errorf("TLS %x in pieces of %d, read %d at a time: %d of %d bytes, %v", version, size, space, len(got), len(want), err)
				}
			}
		}
	}
}

// TestGathers: one read returns what came in many records.
func TestGathers(t *testing.T) {
	const records, size, framing = 60, 100, 22 // RFC 8446 section 5.2: header 5, type 1, tag 16
	p, conn := connect(t, tls.VersionTLS13)
	var contents [][]byte
	for range records {
		contents = append(contents, random(size))
	}
	go p.deliver(p.say(t, contents...), 1<<20)
	b := make([]byte, 2*room)
	reads, got := 0, 0
	for got < records*size {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		reads, got = reads+1, got+n
	}
	if most := 1 + records*(size+framing)/room + 1; reads > most {
		t.Errorf("%d reads for %d records, want %d at most", reads, records, most)
	}
}

// TestDoesNotWait: a read returns what is there although a record has begun that nobody ends, and a deadline harms nothing.
func TestDoesNotWait(t *testing.T) {
	p, conn := connect(t, tls.VersionTLS13)
	wire := p.say(t, []byte("one"), []byte("two"), []byte("three"))
	cut := len(wire) - 5
	go p.deliver(wire[:cut], cut)
	b := make([]byte, 1000)
	if n, err := conn.Read(b); string(b[:n]) != "onetwo" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	for range 2 {
		_ = conn.SetReadDeadline(time.Unix(1, 0))
		if n, err := conn.Read(b); n != 0 || !os.IsTimeout(err) {
			t.Errorf("past the deadline: read %q, %v", b[:n], err)
		}
		_ = conn.SetReadDeadline(time.Time{})
	}
	go p.deliver(wire[cut:], 1)
	if n, err := conn.Read(b); string(b[:n]) != "three" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// TestBroken: what came before a record that was changed on the way is good, and then it ends with TLS's error.
func TestBroken(t *testing.T) {
	p, conn := connect(t, tls.VersionTLS13)
	wire := p.say(t, []byte("good"), []byte("bad"))
	wire[len(wire)-1] ^= 1
	go p.deliver(wire, len(wire))
	b := make([]byte, 1000)
	if n, err := conn.Read(b); string(b[:n]) != "good" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	for range 2 {
		if n, err := conn.Read(b); n != 0 || err == nil || err == io.EOF || os.IsTimeout(err) {
			t.Errorf("then read %q, %v", b[:n], err)
		}
	}
}

// TestUnprepared: on a connection that is not from Below, every read brings a record.
func TestUnprepared(t *testing.T) {
	here, there := net.Pipe()
	server := tls.Server(there, serverConfig(t))
	go func() {
		client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
		_, _ = client.Write([]byte("one"))
		_, _ = client.Write([]byte("two"))
		_, _ = io.Copy(io.Discard, here)
	}()
	conn, b := tlsrecords.Gather(server), make([]byte, 100)
	for _, want := range []string{"one", "two"} {
		if n, err := conn.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("read %q, %v, want %q", b[:n], err, want)
		}
	}
	_ = here.Close()
	_ = conn.Close()
}

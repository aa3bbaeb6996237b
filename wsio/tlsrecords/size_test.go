package tlsrecords_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

// counted notes what is written to a connection: how often, and the records in it.
type counted struct {
	net.Conn
	mu     sync.Mutex
	writes int
	wire   []byte
	sink   atomic.Bool // nothing is noted or passed on any more
}

func (c *counted) Write(p []byte) (int, error) {
	if c.sink.Load() {
		return len(p), nil
	}
	c.mu.Lock()
	c.writes++
	c.wire = append(c.wire, p...)
	c.mu.Unlock()
	return c.Conn.Write(p)
}

// take returns how many writes there were, and the largest record of each type.
func (c *counted) take() (writes int, largest map[byte]int, records int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	largest = make(map[byte]int)
	for rest := c.wire; len(rest) >= 5; records++ {
		n := int(binary.BigEndian.Uint16(rest[3:]))
		largest[rest[0]] = max(largest[rest[0]], n)
		rest = rest[5+n:]
	}
	writes, c.writes, c.wire = c.writes, 0, nil
	return writes, largest, records
}

// limited connects a client, with the server's records limited to most.
func limited(t *testing.T, most int, version uint16) (server, client *tls.Conn, wire *counted) {
	t.Helper()
	near, far := memnet.Pipe(1 << 20)
	wire = &counted{Conn: far}
	config := serverConfig(t).Clone()
	config.DynamicRecordSizingDisabled = true
	server = tlsrecords.Server(wire, config, most)
	client = tls.Client(near, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, MinVersion: version})
	for _, nc := range []net.Conn{near, far} {
		_ = nc.SetDeadline(time.Now().Add(time.Minute))
	}
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	wire.take()
	return server, client, wire
}

// TestRecordSize: what is written comes whole, in records of the configured size, with few writes below.
func TestRecordSize(t *testing.T) {
	const overhead = 1 + 8 + 16 // the type of the content in TLS 1.3, the nonce in 1.2, the tag
	sent := random(100_000)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, most := range []int{64, 512, 2048, 8000} {
			server, client, wire := limited(t, most, version)
			conn := tlsrecords.Gather(server)
			if tlsrecords.Size(server) != most || conn.RecordSize() != most {
				t.Errorf("the size is %d, %d", tlsrecords.Size(server), conn.RecordSize())
			}
			pieces := func(p []byte) (n int, err error) {
				for rest := p; len(rest) > 0 && err == nil; rest = rest[min(50, len(rest)):] {
					write := conn.WriteMore
					if len(rest) <= 50 {
						write = conn.Write
					}
					var wrote int
					wrote, err = write(rest[:min(50, len(rest))])
					n += wrote
				}
				return n, err
			}
			for name, write := range map[string]func([]byte) (int, error){
				"Write": func(p []byte) (int, error) { return tlsrecords.Write(server, p) }, "Conn.Write": conn.Write, "WriteMore": pieces,
			} {
				name = fmt.Sprintf("%s, %s, %d bytes", name, tls.VersionName(version), most)
				if n, err := write(sent); n != len(sent) || err != nil {
					t.Fatalf("%s: %d, %v", name, n, err)
				}
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%s: %v, or other bytes come", name, err)
				}
				writes, largest, records := wire.take()
				if largest[23] > most+overhead || records < len(sent)/most {
					t.Errorf("%s: %d records of at most %d bytes", name, records, largest[23])
				}
				if most <= 512 && writes > records/4 {
					t.Errorf("%s: %d writes for %d records", name, writes, records)
				}
			}
			_, _ = conn.Close(), client.Close()
		}
	}
}

// TestNoLimitChangesNothing: a server without a limit writes as crypto/tls does.
func TestNoLimitChangesNothing(t *testing.T) {
	for _, most := range []int{0, 16 << 10, 1 << 20} {
		server, client, wire := limited(t, most, tls.VersionTLS13)
		conn := tlsrecords.Gather(server)
		if _, err := conn.Write(random(16 << 10)); err != nil {
			t.Fatal(err)
		}
		if writes, _, records := wire.take(); writes != 1 || records != 1 || conn.RecordSize() != 0 {
			t.Errorf("%d: %d writes of %d records, the limit is %d", most, writes, records, conn.RecordSize())
		}
		_, _ = conn.Close(), client.Close()
	}
}

// firstFlight is what a server answers to a ClientHello with some extension, and the limit that it keeps to afterwards.
func firstFlight(t *testing.T, config *tls.Config, most int, extension []byte) (largest map[byte]int, limit int) {
	t.Helper()
	hello := helloWith(t, extension, 100)
	wire := &counted{Conn: replay{Reader: bytes.NewReader(hello), takes: true}}
	server := tlsrecords.Server(wire, config, most)
	if err := server.Handshake(); err == nil {
		t.Error("a handshake of half a client")
	}
	_, largest, _ = wire.take()
	return largest, tlsrecords.Size(server)
}

// TestHandshakeRecords: max_fragment_length includes the handshake (RFC 6066 section 4) as far as it is not encrypted; record_size_limit
// excludes that (RFC 8449 section 4), and so does the configured size: many clients cannot join the parts of a handshake message.
func TestHandshakeRecords(t *testing.T) {
	pair := certs.New(t).Server(t, "bridge.test")
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for len(cert.Certificate) < 4 { // as large as a chain of RSA certificates
		cert.Certificate = append(cert.Certificate, cert.Certificate[0])
	}
	for _, c := range []struct {
		name             string
		most             int
		extension        []byte
		version          uint16
		handshake, limit int // the largest record of the handshake; 0: larger than 1 KiB
	}{
		{"no limit", 0, nil, tls.VersionTLS12, 0, 0},
		{"configured", 512, nil, tls.VersionTLS12, 0, 512},
		{"max_fragment_length", 0, []byte{0, 1, 0, 1, 1}, tls.VersionTLS12, 512, 512},
		{"max_fragment_length, more configured", 4096, []byte{0, 1, 0, 1, 1}, tls.VersionTLS12, 512, 512},
		{"max_fragment_length, less configured", 600, []byte{0, 1, 0, 1, 2}, tls.VersionTLS12, 1024, 600},
		{"record_size_limit", 0, []byte{0, 28, 0, 2, 2, 1}, tls.VersionTLS12, 0, 512},
		{"max_fragment_length, TLS 1.3", 0, []byte{0, 1, 0, 1, 1}, tls.VersionTLS13, 512, 512},
	} {
		config := &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: c.version}
		largest, limit := firstFlight(t, config, c.most, c.extension)
		if limit != c.limit || c.handshake > 0 && largest[22] != c.handshake || c.handshake == 0 && largest[22] < 1<<10 {
			t.Errorf("%s: a limit of %d bytes and handshake records of up to %d, want %d and %d", c.name, limit, largest[22], c.limit, c.handshake)
		}
	}
}

// TestCloseDoesNotWait for a write that the client does not take.
func TestCloseDoesNotWait(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	server := tlsrecords.Server(there, serverConfig(t), 512)
	client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	conn := tlsrecords.Gather(server)
	wrote := make(chan error, 1)
	go func() { _, err := conn.Write(random(100_000)); wrote <- err }()
	if _, err := here.Read(make([]byte, 1)); err != nil { // it is inside the write below
		t.Fatal(err)
	}
	began := time.Now()
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	if err := <-wrote; err == nil || time.Since(began) > 4*time.Second { // crypto/tls waits 5 s to send its alert
		t.Errorf("%v after %v", err, time.Since(began))
	}
}

var raceEnabled bool

// TestRecordSizeAllocatesNothing, neither where there is a limit nor where there is none.
func TestRecordSizeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops at random under the race detector")
	}
	for _, most := range []int{0, 512} {
		server, client, wire := limited(t, most, tls.VersionTLS12)
		conn := tlsrecords.Gather(server)
		wire.sink.Store(true)
		b := random(3000)
		if n := testing.AllocsPerRun(500, func() { _, _ = conn.Write(b) }); n != 0 {
			t.Errorf("%d: %v allocations", most, n)
		}
		_ = conn.NetConn().Close()
		_ = client.Close()
	}
}

// BenchmarkWrite is 8 KiB to a client: as crypto/tls writes it, through this package without a limit, and with limits.
func BenchmarkWrite(b *testing.B) {
	for _, most := range []int{-1, 0, 4096, 2048, 512} {
		b.Run(fmt.Sprint(most), func(b *testing.B) {
			near, far := memnet.Pipe(1 << 20)
			wire := &counted{Conn: far}
			config := serverConfig(b).Clone()
			config.DynamicRecordSizingDisabled = true
			server := tlsrecords.Server(wire, config, max(most, 0))
			client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
			shaken := make(chan error, 1)
			go func() { shaken <- server.Handshake() }()
			if err := client.Handshake(); err != nil {
				b.Fatal(err)
			}
			<-shaken
			conn := tlsrecords.Gather(server)
			wire.sink.Store(true)
			write := conn.Write
			if most < 0 {
				write = server.Write
			}
			data := random(8 << 10)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				_, _ = write(data)
			}
			_, _ = conn.NetConn().Close(), client.Close()
		})
	}
}

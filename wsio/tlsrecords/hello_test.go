package tlsrecords_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/tlsrecords"
)

// helloWith is a ClientHello of crypto/tls with further extensions, in records of at most size bytes.
func helloWith(t testing.TB, extensions []byte, size int) []byte {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	var sent sync.WaitGroup
	sent.Go(func() { _ = tls.Client(here, &tls.Config{ServerName: "b", MinVersion: tls.VersionTLS12}).Handshake() })
	header := make([]byte, 5)
	if _, err := io.ReadFull(there, header); err != nil {
		t.Fatal(err)
	}
	hello := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(there, hello); err != nil {
		t.Fatal(err)
	}
	here.Close()
	sent.Wait()
	at := 4 + 2 + 32
	at += 1 + int(hello[at])
	at += 2 + int(binary.BigEndian.Uint16(hello[at:]))
	at += 1 + int(hello[at])
	binary.BigEndian.PutUint16(hello[at:], binary.BigEndian.Uint16(hello[at:])+uint16(len(extensions)))
	hello = append(hello, extensions...)
	hello[1], hello[2], hello[3] = byte((len(hello)-4)>>16), byte((len(hello)-4)>>8), byte(len(hello)-4)
	var stream []byte
	for part := range slices.Chunk(hello, size) {
		stream = append(append(stream, 22, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
	}
	return stream
}

// TestRequestedSize reads it from a ClientHello (RFC 8449 section 4, RFC 6066 section 4), however that is cut into records.
func TestRequestedSize(t *testing.T) {
	for name, c := range map[string]struct {
		extensions      []byte
		data, handshake int
	}{
		"nothing":                   {nil, 0, 0},
		"max_fragment_length 512":   {[]byte{0, 1, 0, 1, 1}, 512, 512},
		"max_fragment_length 1024":  {[]byte{0, 1, 0, 1, 2}, 1024, 1024},
		"max_fragment_length 2048":  {[]byte{0, 1, 0, 1, 3}, 2048, 2048},
		"max_fragment_length 4096":  {[]byte{0, 1, 0, 1, 4}, 4096, 4096},
		"max_fragment_length 5":     {[]byte{0, 1, 0, 1, 5}, 0, 0},
		"max_fragment_length 0":     {[]byte{0, 1, 0, 1, 0}, 0, 0},
		"max_fragment_length empty": {[]byte{0, 1, 0, 0}, 0, 0},
		"max_fragment_length long":  {[]byte{0, 1, 0, 2, 1, 0}, 0, 0},
		"record_size_limit 1025":    {[]byte{0, 28, 0, 2, 4, 1}, 1024, 0},
		"record_size_limit 64":      {[]byte{0, 28, 0, 2, 0, 64}, 63, 0},
		"record_size_limit 63":      {[]byte{0, 28, 0, 2, 0, 63}, 0, 0},
		"record_size_limit 16385":   {[]byte{0, 28, 0, 2, 0x40, 1}, 0, 0},
		"record_size_limit short":   {[]byte{0, 28, 0, 1, 4}, 0, 0},
		"both":                      {[]byte{0, 1, 0, 1, 1, 0, 28, 0, 2, 4, 1}, 1024, 0},
		"both, the other way":       {[]byte{0, 28, 0, 2, 4, 1, 0, 1, 0, 1, 1}, 1024, 0},
		"both, no limit":            {[]byte{0, 28, 0, 2, 0x40, 1, 0, 1, 0, 1, 1}, 0, 0},
	} {
		for _, size := range []int{16 << 10, 100, 1} {
			if data, handshake := tlsrecords.RequestedSize(helloWith(t, c.extensions, size)); data != c.data || handshake != c.handshake {
				t.Errorf("%s in records of %d bytes: %d, %d, want %d, %d", name, size, data, handshake, c.data, c.handshake)
			}
		}
	}
	whole := helloWith(t, []byte{0, 1, 0, 1, 1}, 16<<10)
	for n := range whole {
		if data, _ := tlsrecords.RequestedSize(whole[:n]); data != 0 {
			t.Errorf("%d from the first %d bytes", data, n)
		}
	}
}

// replay is a connection from which a stream is read.
type replay struct {
	net.Conn
	io.Reader
	takes bool // what is written; otherwise writing fails
}

// Write takes everything or nothing.
func (r replay) Write(p []byte) (int, error) {
	if !r.takes {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func (r replay) Read(p []byte) (int, error)     { return r.Reader.Read(p) }
func (replay) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (replay) Close() error                     { return nil }
func (replay) SetDeadline(time.Time) error      { return nil }
func (replay) SetWriteDeadline(time.Time) error { return nil }

// extensionsOf are the extensions of a ClientHello as crypto/tls reads them, false if it takes it for none.
func extensionsOf(stream []byte) (all []uint16, ok bool) {
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		all, ok = hello.Extensions, true
		return nil, errors.New("seen")
	}}
	_ = tls.Server(replay{Reader: bytes.NewReader(stream)}, config).Handshake()
	return all, ok
}

// FuzzRequestedSize: whatever a client begins with, a limit is one that the RFCs allow, and is there only if crypto/tls reads the same
// stream as a ClientHello with one of the two extensions.
func FuzzRequestedSize(f *testing.F) {
	f.Add(helloWith(f, []byte{0, 1, 0, 1, 1}, 16<<10))
	f.Add(helloWith(f, []byte{0, 28, 0, 2, 4, 1}, 50))
	f.Add(helloWith(f, []byte{0, 28, 0, 2, 4, 1, 0, 1, 0, 1, 1}, 16<<10))
	f.Add(helloWith(f, nil, 16<<10))
	f.Add([]byte{22, 3, 1, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		data, handshake := tlsrecords.RequestedSize(stream)
		if data != 0 && (data < 63 || data >= 16<<10) || handshake != 0 && handshake != data {
			t.Errorf("limits of %d and %d bytes", data, handshake)
		}
		if extensions, ok := extensionsOf(stream); ok {
			fragment, limit := slices.Contains(extensions, 1), slices.Contains(extensions, 28)
			if data > 0 && !fragment && !limit || handshake > 0 && !fragment || data > 0 && handshake == 0 && !limit {
				t.Errorf("limits of %d and %d bytes from extensions %v", data, handshake, extensions)
			}
		}
	})
}

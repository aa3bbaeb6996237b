package tlsrecords_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"io"
	"os"
	"testing"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"mqtt-ws-bridge/wsio/tlsrecords"
)

// RFC 8446 sections 4 and 5.1.
const (
	typeAlert      = 21
	typeHandshake  = 22
	typeData       = 23
	msgTicket      = 4
	msgCertRequest = 13
	msgKeyUpdate   = 24
)

// forger makes the records of a client of TLS 1.3 itself, since crypto/tls sends no handshake messages after the handshake.
type forger struct {
	t      *testing.T
	hash   func() hash.Hash
	aead   func(key []byte) (cipher.AEAD, error)
	size   int // of a key
	secret []byte
	seal   cipher.AEAD
	iv     []byte
	number uint64
	wire   []byte
}

// forge connects a peer whose records are made by the forger. Nothing of its own was sent yet.
func forge(t *testing.T) (*forger, *peer, *tlsrecords.Conn) {
	t.Helper()
	var log bytes.Buffer
	p, conn := connectLogged(t, tls.VersionTLS13, &log)
	f := &forger{t: t, hash: sha256.New, aead: gcm, size: 16}
	switch p.secure.ConnectionState().CipherSuite {
	case tls.TLS_AES_256_GCM_SHA384:
		f.hash, f.size = sha512.New384, 32
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		f.aead, f.size = chacha20poly1305.New, chacha20poly1305.KeySize
	}
	for line := range bytes.Lines(log.Bytes()) {
		if words := bytes.Fields(line); string(words[0]) == "CLIENT_TRAFFIC_SECRET_0" {
			f.secret, _ = hex.DecodeString(string(words[2]))
		}
	}
	f.keys()
	return f, p, conn
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// expand is HKDF-Expand-Label of RFC 8446 section 7.1, without a context.
func (f *forger) expand(label string, size int) []byte {
	f.t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(info, byte(len("tls13 ")+len(label))), "tls13 "+label...)
	b, err := hkdf.Expand(f.hash, f.secret, string(append(info, 0)), size)
	if err != nil {
		f.t.Fatal(err)
	}
	return b
}

// keys makes the keys of the secret, RFC 8446 section 7.3.
func (f *forger) keys() {
	f.t.Helper()
	seal, err := f.aead(f.expand("key", f.size))
	if err != nil {
		f.t.Fatal(err)
	}
	f.seal, f.iv, f.number = seal, f.expand("iv", seal.NonceSize()), 0
}

// record adds a record, RFC 8446 section 5.2.
func (f *forger) record(typ byte, content ...byte) {
	inner := append(bytes.Clone(content), typ)
	header := []byte{typeData, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(inner)+f.seal.Overhead()))
	nonce := bytes.Clone(f.iv)
	for i := range 8 {
		nonce[len(nonce)-1-i] ^= byte(f.number >> (8 * i))
	}
	f.number++
	f.wire = append(f.wire, f.seal.Seal(header, nonce, inner, header)...)
}

func (f *forger) say(s string) { f.record(typeData, []byte(s)...) }

// update adds a KeyUpdate in records of at most size bytes, and goes over to the next keys.
func (f *forger) update(requested byte, size int) {
	f.t.Helper()
	for msg := []byte{msgKeyUpdate, 0, 0, 1, requested}; len(msg) > 0; msg = msg[min(size, len(msg)):] {
		f.record(typeHandshake, msg[:min(size, len(msg))]...)
	}
	f.secret = f.expand("traffic upd", f.hash().Size())
	f.keys()
}

// TestKeyUpdate: new keys come between two records, wherever the network cuts, and whether or not a read ends there.
func TestKeyUpdate(t *testing.T) {
	for _, size := range []int{1, 5, 30, 1 << 20} {
		for part := 1; part <= 5; part++ {
			f, p, conn := forge(t)
			f.say("one")
			f.update(1, part)
			f.say("two")
			f.update(0, part)
			f.say("three")
			go p.deliver(f.wire, size)
			var got []byte
			for b := make([]byte, 100); len(got) < len("onetwothree"); {
				n, err := conn.Read(b)
				if got = append(got, b[:n]...); err != nil {
					t.Fatalf("KeyUpdate in parts of %d, delivered in pieces of %d: %q, %v", part, size, got, err)
				}
			}
			if string(got) != "onetwothree" {
				t.Errorf("KeyUpdate in parts of %d, delivered in pieces of %d: %q", part, size, got)
			}
		}
	}
}

// TestKeyUpdateLater: half of a KeyUpdate is kept until the other half comes, though a read came to its end and a deadline passed.
func TestKeyUpdateLater(t *testing.T) {
	f, p, conn := forge(t)
	f.say("one")
	whole := len(f.wire)
	f.update(0, 3)
	cut := whole + (len(f.wire)-whole)/2 + 3 // in the second record of it
	f.say("two")
	go p.deliver(f.wire[:cut], cut)
	b := make([]byte, 100)
	if n, err := conn.Read(b); string(b[:n]) != "one" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	if n, err := conn.Read(b); n != 0 || !os.IsTimeout(err) {
		t.Errorf("past the deadline: read %q, %v", b[:n], err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	go p.deliver(f.wire[cut:], 1)
	if n, err := conn.Read(b); string(b[:n]) != "two" || err != nil {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// TestRefusedMessage: after a handshake message that TLS does not allow, nothing is read, though crypto/tls would read on if it were asked
// again, with an alert sent and nothing to be written any more.
func TestRefusedMessage(t *testing.T) {
	for _, msg := range []byte{msgTicket, msgCertRequest} {
		f, p, conn := forge(t)
		f.say("good")
		switch msg {
		case msgTicket:
			f.record(typeHandshake, msg, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'x', 0, 0)
		case msgCertRequest:
			f.record(typeHandshake, msg, 0, 0, 11, 0, 0, 8, 0, 13, 0, 4, 0, 2, 4, 3)
		}
		f.say("late")
		go func() {
			p.deliver(f.wire, len(f.wire))
			_ = p.wire.Conn.Close()
		}()
		b := make([]byte, 100)
		if n, err := conn.Read(b); string(b[:n]) != "good" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		for range 2 {
			if n, err := conn.Read(b); n != 0 || err == nil || err == io.EOF || os.IsTimeout(err) {
				t.Errorf("after message %d: read %q, %v", msg, b[:n], err)
			}
		}
	}
}

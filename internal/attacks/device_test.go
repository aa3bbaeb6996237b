//go:build linux

package attacks

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// device is a connection on which a test says what it likes.
type device struct {
	net.Conn
	t testing.TB
	r *bufio.Reader

	pongs int // read so far
}

// reach connects to a listener of the bridge, given as URL.
func reach(t testing.TB, url string) *device {
	t.Helper()
	return reachFrom(t, url, "")
}

// reachFrom connects from an address of this machine.
func reachFrom(t testing.TB, url, host string) *device {
	t.Helper()
	dialer := net.Dialer{Timeout: patience}
	if host != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(host)}
	}
	_, address, _ := strings.Cut(url, "://")
	nc, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatalf("reach the bridge: %v", err)
	}
	return over(t, nc)
}

// over is a device on this connection, which ends with the test.
func over(t testing.TB, nc net.Conn) *device {
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &device{Conn: nc, t: t, r: bufio.NewReader(nc)}
}

// Parts of a good handshake.
const (
	hostLine   = "Host: bridge.test\r\n"
	keyLine    = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	offerLine  = "Sec-WebSocket-Protocol: mqtt\r\n"
	versLine   = "Sec-WebSocket-Version: 13\r\n"
	upLines    = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	goodLines  = hostLine + upLines + versLine + keyLine + offerLine
	goodPath   = "GET /mqtt HTTP/1.1\r\n"
	goodHello  = goodPath + goodLines + "\r\n"
	acceptLine = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// with is a good handshake with further lines.
func with(lines ...string) string { return goodPath + goodLines + strings.Join(lines, "") + "\r\n" }

// instead is a good handshake with one part replaced.
func instead(part, by string) string { return strings.Replace(goodHello, part, by, 1) }

// say sends bytes as they are. That the bridge has gone is for the reader to find.
func (d *device) say(b string) *device {
	_, _ = io.WriteString(d.Conn, b)
	return d
}

// upgraded says a handshake and wants it to be accepted.
func (d *device) upgraded(request string) *device {
	d.t.Helper()
	answer, err := http.ReadResponse(d.say(request).r, nil)
	if err != nil {
		d.t.Fatalf("the answer to the handshake: %v", err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Sec-WebSocket-Accept") != acceptLine {
		d.t.Fatalf("the handshake is answered with %s %v", answer.Status, answer.Header)
	}
	if answer.Header.Get("Sec-WebSocket-Extensions") != "" {
		d.t.Fatalf("an extension is agreed: %v", answer.Header)
	}
	return d
}

// refusal reads the one answer to a bad request, and sees that nothing follows it. 0 if there is none.
func (d *device) refusal() (status int, header http.Header) {
	d.t.Helper()
	status, header, _ = d.refused()
	return status, header
}

// refusalText is refusal with everything that was said but the date.
func (d *device) refusalText() (status int, text string) {
	d.t.Helper()
	status, header, body := d.refused()
	header.Del("Date")
	return status, fmt.Sprint(header, body)
}

func (d *device) refused() (status int, header http.Header, body string) {
	d.t.Helper()
	all, err := io.ReadAll(d.r)
	if isTimeout(err) {
		d.t.Fatalf("the connection stays open; heard is %.300q", all)
	}
	if len(all) == 0 {
		return 0, nil, ""
	}
	if len(all) >= 1024 {
		d.t.Errorf("the refusal has %d bytes", len(all))
	}
	r := bufio.NewReader(bytes.NewReader(all))
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		d.t.Fatalf("%v: %.300q", err, all)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		d.t.Fatalf("%v: %.300q", err, all)
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		d.t.Errorf("behind the refusal comes %.300q", rest)
	}
	return answer.StatusCode, answer.Header, string(content)
}

// open is a device that has a WebSocket.
func open(t testing.TB, k *attack) *device {
	t.Helper()
	return reach(t, k.bridge.WS).upgraded(goodHello)
}

// online is a device that the broker has accepted.
func online(t testing.TB, k *attack, h hello) *device {
	t.Helper()
	return open(t, k).join(h)
}

// join says CONNECT and wants to be accepted.
func (d *device) join(h hello) *device {
	d.t.Helper()
	d.send(h.packet())
	p := d.packet()
	if p[0] != 0x20 || p[3] != 0 {
		d.t.Fatalf("CONNECT is answered with %x", p)
	}
	return d
}

// Opcodes of frames, with FIN.
const (
	text      = 0x81
	data      = 0x82
	closing   = 0x88
	ping      = 0x89
	pong      = 0x8A
	reserved1 = 0x40 // RSV1
)

// frame is a masked frame; the mask is zero, which RFC 6455 allows and makes the bytes readable.
func frame(first byte, payload string) string { return framed(first, 0x80, payload) }

func framed(first, mask byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, mask|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if mask != 0 {
		b = append(b, 0, 0, 0, 0)
	}
	return string(b) + payload
}

// send sends packets, all in one frame.
func (d *device) send(packets ...string) *device {
	return d.say(frame(data, strings.Join(packets, "")))
}

// message reads frames until one with data comes, and returns that; a close frame or the end of the connection is err.
func (d *device) message() (string, error) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(d.r, head[:]); err != nil {
			return "", err
		}
		n := uint64(head[1])
		var more []byte
		switch n {
		case 126:
			more = make([]byte, 2)
		case 127:
			more = make([]byte, 8)
		}
		if _, err := io.ReadFull(d.r, more); err != nil {
			return "", err
		}
		if len(more) > 0 {
			n = 0
		}
		for _, b := range more {
			n = n<<8 | uint64(b)
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(d.r, payload); err != nil {
			return "", err
		}
		switch head[0] {
		case data:
			return string(payload), nil
		case closing:
			e := closed{code: 1005}
			if len(payload) >= 2 {
				e.code, e.text = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			}
			return "", e
		case pong:
			d.pongs++
		case ping:
		default:
			return "", errors.New("the bridge sent a frame that begins with " + string(head[:]))
		}
	}
}

// closed is a close frame.
type closed struct {
	code int
	text string
}

func (c closed) Error() string { return "closed: " + c.text }

// packet reads the next packet, which has a frame of its own.
func (d *device) packet() string {
	d.t.Helper()
	p, err := d.message()
	if err != nil {
		d.t.Fatalf("no packet comes: %v", err)
	}
	return p
}

// end reads to the end of the connection and returns the packets that came before, and the close code: 0 without one.
func (d *device) end() (packets string, code int) {
	d.t.Helper()
	for {
		p, err := d.message()
		var c closed
		switch {
		case errors.As(err, &c):
			_ = d.Close()
			return packets, c.code
		case isTimeout(err):
			d.t.Fatalf("the connection stays open; heard is %x", packets)
		case err != nil:
			return packets, 0
		}
		packets += p
	}
}

// wantEnd reads to the end and wants this close code.
func (d *device) wantEnd(code int) string {
	d.t.Helper()
	packets, got := d.end()
	if got != code {
		d.t.Errorf("closed with %d, want %d; before that came %x", got, code, packets)
	}
	return packets
}

// settle exchanges packets one at a time, more than the bridge serves with goroutines: an event loop has the session after that.
func (d *device) settle() *device {
	d.t.Helper()
	for range 64 {
		d.alive()
	}
	return d
}

// alive sees that a ping of MQTT is answered.
func (d *device) alive() {
	d.t.Helper()
	if got := d.send("\xc0\x00").packet(); got != "\xd0\x00" {
		d.t.Errorf("PINGREQ is answered with %x", got)
	}
}

// wantEndOneOf is wantEnd with some codes that are all right.
func (d *device) wantEndOneOf(codes ...int) string {
	d.t.Helper()
	packets, got := d.end()
	if !slices.Contains(codes, got) {
		d.t.Errorf("closed with %d, want one of %d; before that came %x", got, codes, packets)
	}
	return packets
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// alone sees that the bridge has read everything so far and has nothing to say, by a WebSocket ping.
func (d *device) alone() {
	d.t.Helper()
	d.say(frame(ping, "alone"))
	for {
		var head [2]byte
		if _, err := io.ReadFull(d.r, head[:]); err != nil {
			d.t.Fatalf("a ping is not answered: %v", err)
		}
		payload := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(d.r, payload); err != nil {
			d.t.Fatalf("a ping is not answered: %v", err)
		}
		if head[0] == pong && string(payload) == "alone" {
			return
		}
		d.t.Errorf("before the pong comes %x %x", head, payload)
	}
}

// tcp is the TCP connection below.
func tcp(nc net.Conn) *net.TCPConn {
	if c, ok := nc.(*tls.Conn); ok {
		nc = c.NetConn()
	}
	return nc.(*net.TCPConn)
}

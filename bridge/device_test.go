package bridge_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/memnet"

	"mqtt-ws-bridge/internal/wsframes"
)

// patience is how long a script waits for the bridge: longer than every limit in the tests. In a bubble it costs nothing.
const patience = time.Hour

// device is a scripted device: it makes and reads frames itself.
type device struct {
	t     testing.TB
	nc    net.Conn
	br    *bufio.Reader
	pings int // heard
	pongs int
}

// dial opens a connection, without a handshake.
func (r *rig) dial() *device {
	r.t.Helper()
	nc, err := r.listener.Dial()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return newDevice(r.t, nc)
}

func newDevice(t testing.TB, nc net.Conn) *device {
	return &device{t: t, nc: nc, br: bufio.NewReader(nc)}
}

const goodHandshake = "GET /mqtt HTTP/1.1\r\nHost: bridge\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

// request sends a request and whatever follows it in the same write, and returns the response.
func (d *device) request(request string, early ...byte) *http.Response {
	d.t.Helper()
	d.raw(append([]byte(request), early...))
	_ = d.nc.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(d.br, nil)
	if err != nil {
		d.t.Fatalf("read response: %v", err)
	}
	return resp
}

// open returns a device with an open WebSocket.
func (r *rig) open(early ...byte) *device {
	r.t.Helper()
	d := r.dial()
	if resp := d.request(goodHandshake, early...); resp.StatusCode != http.StatusSwitchingProtocols {
		r.t.Fatalf("handshake is answered %s", resp.Status)
	}
	return d
}

// raw writes bytes as they are.
func (d *device) raw(b []byte) {
	d.t.Helper()
	_ = d.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := d.nc.Write(b); err != nil {
		d.t.Fatalf("device writes: %v", err)
	}
}

// send sends packets in one binary frame.
func (d *device) send(packets ...[]byte) {
	d.t.Helper()
	d.raw(wsframes.Masked(0x82, bytes.Join(packets, nil)))
}

// next reads one frame that is neither ping nor pong; those are counted.
func (d *device) next() (op byte, payload []byte, err error) {
	d.t.Helper()
	for {
		switch op, payload, err = d.frame(); {
		case op == 9 && err == nil:
			d.pings++
		case op == 10 && err == nil:
			d.pongs++
		default:
			return op, payload, err
		}
	}
}

// frame reads one frame.
func (d *device) frame() (op byte, payload []byte, err error) {
	d.t.Helper()
	_ = d.nc.SetReadDeadline(time.Now().Add(patience))
	op, size, err := d.header()
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(d.br, payload)
	return op, payload, err
}

// header reads a frame's. Anything but a whole, final, unmasked frame of at most 64 KiB fails the test.
func (d *device) header() (op byte, size int, err error) {
	d.t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(d.br, head[:]); err != nil {
		return 0, 0, err
	}
	size = int(head[1])
	var more [8]byte
	switch size {
	case 126:
		_, err = io.ReadFull(d.br, more[6:])
		size = int(binary.BigEndian.Uint64(more[:]))
	case 127:
		_, err = io.ReadFull(d.br, more[:])
		size = int(binary.BigEndian.Uint64(more[:]))
	}
	if err == nil && (head[0]&0xF0 != 0x80 || head[1] > 127 || size > 64<<10) {
		d.t.Fatalf("frame with header % x and %d bytes", head, size)
	}
	return head[0] & 15, size, err
}

// expect reads binary frames until there are as many bytes as wanted.
func (d *device) expect(want []byte) {
	d.t.Helper()
	var got []byte
	for len(got) < len(want) {
		op, payload, err := d.next()
		if err != nil || op != 2 {
			d.t.Fatalf("device waits for % x and has % x: frame of type %d %q, %v", want, got, op, payload, err)
		}
		got = append(got, payload...)
	}
	if !bytes.Equal(got, want) {
		d.t.Fatalf("device hears % x, want % x", got, want)
	}
}

// heard is what a device hears until its connection ends.
type heard struct {
	packets []byte
	code    int // of the close frame; 0: there was none
	text    string
	cut     bool  // within a frame
	err     error // other than the end of the connection
}

func (h heard) String() string {
	return fmt.Sprintf("packets % x, close %d %q, cut %v, error %v", h.packets, h.code, h.text, h.cut, h.err)
}

// rest reads to the end, answers the close frame and closes.
func (d *device) rest() (h heard) {
	d.t.Helper()
	defer d.nc.Close()
	for {
		op, payload, err := d.next()
		switch {
		case errors.Is(err, io.EOF):
			return h
		case errors.Is(err, io.ErrUnexpectedEOF):
			h.cut = true
			return h
		case err != nil:
			h.err = err
			return h
		case op == 2:
			h.packets = append(h.packets, payload...)
		case op == 8 && h.code == 0:
			h.code, h.text = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
			_, _ = d.nc.Write(wsframes.Masked(0x88, payload[:2])) // the bridge may have closed already
			d.nc.(interface{ CloseWrite() error }).CloseWrite()
		default:
			d.t.Errorf("device hears a frame of type %d %q", op, payload)
		}
	}
}

// reset breaks the connection.
func (d *device) reset() { d.nc.(*memnet.Conn).Reset() }

// body returns a refusal's text.
func body(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

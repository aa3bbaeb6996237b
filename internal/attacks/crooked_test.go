//go:build linux

package attacks

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/mosquitto"
)

// crooked is a broker that serves some client identifiers by scripts, and all others with the Mosquitto behind it.
type crooked struct {
	listener net.Listener
	honest   string // address of the Mosquitto
	wg       sync.WaitGroup

	// guarded by mu
	mu      sync.Mutex
	scripts map[string]func(nc *net.TCPConn, r *bufio.Reader) // by client identifier; called when CONNECT was read
	open    map[net.Conn]bool
	ended   bool
}

// startCrooked runs one that ends with the test.
func startCrooked(t testing.TB, honest string) *crooked {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crooked{
		listener: l, honest: honest, open: make(map[net.Conn]bool),
		scripts: make(map[string]func(*net.TCPConn, *bufio.Reader)),
	}
	c.wg.Go(c.accept)
	t.Cleanup(c.end)
	return c
}

// serve sets the script of a client identifier.
func (c *crooked) serve(id string, script func(nc *net.TCPConn, r *bufio.Reader)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scripts[id] = script
}

func (c *crooked) accept() {
	for {
		nc, err := c.listener.Accept()
		if err != nil {
			return
		}
		if c.keep(nc) {
			c.wg.Go(func() {
				defer c.drop(nc)
				c.handle(nc.(*net.TCPConn))
			})
		}
	}
}

// keep notes an open connection, or closes it if all is over.
func (c *crooked) keep(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = nc.Close()
		return false
	}
	c.open[nc] = true
	return true
}

func (c *crooked) drop(nc net.Conn) {
	_ = nc.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, nc)
}

// end closes everything and waits for it.
func (c *crooked) end() {
	_ = c.listener.Close()
	c.mu.Lock()
	c.ended = true
	for nc := range c.open {
		_ = nc.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

// handle reads CONNECT and follows the script, or passes on.
func (c *crooked) handle(nc *net.TCPConn) {
	r := bufio.NewReader(nc)
	connect, err := readPacket(r)
	if err != nil {
		return // a probe
	}
	c.mu.Lock()
	script := c.scripts[clientID(connect)]
	c.mu.Unlock()
	if script != nil {
		script(nc, r)
		return
	}
	honest, err := net.Dial("tcp", c.honest)
	if err != nil {
		return
	}
	if !c.keep(honest) {
		return
	}
	defer c.drop(honest)
	c.wg.Go(func() { _, _ = io.Copy(nc, honest); _ = nc.CloseWrite() })
	if _, err := io.WriteString(honest, connect); err == nil {
		_, _ = io.Copy(honest, r)
		_ = honest.(*net.TCPConn).CloseWrite()
	}
}

// readPacket reads one packet whole.
func readPacket(r *bufio.Reader) (string, error) {
	first, err := r.ReadByte()
	if err != nil {
		return "", err
	}
	n, err := binary.ReadUvarint(r) // the same encoding
	if err != nil || n > packetSize {
		return "", io.ErrUnexpectedEOF
	}
	body := make([]byte, n)
	_, err = io.ReadFull(r, body)
	return packet(first, string(body)), err
}

// clientID finds the client identifier of a CONNECT, which has no properties.
func clientID(connect string) string {
	_, rest, _ := strings.Cut(connect, "MQTT")
	if len(rest) < 4 {
		return ""
	}
	at := 4
	if rest[0] == 5 {
		at += 1 + int(rest[4])
	}
	if len(rest) < at+2 {
		return ""
	}
	n := int(rest[at])<<8 | int(rest[at+1])
	return rest[at+2:][:min(n, len(rest)-at-2)]
}

// crookedArena has a crooked broker.
var crookedArena = once(func(t testing.TB) *crookedPlace {
	broker := mosquitto.Start(t, mosquitto.Options{})
	c := startCrooked(t, broker.TCP)
	bridge := bridgeproc.Start(t, bridgeproc.Options{
		Binary: program(t), Upstream: "tcp://" + c.listener.Addr().String(), Args: shortLimits,
	})
	return &crookedPlace{&arena{bridge: bridge, broker: broker, innocent: befriend(t, bridge.WS+"/mqtt", http.Header{})}, c}
})

type crookedPlace struct {
	*arena
	crooked *crooked
}

// connack accepts, in MQTT 3.1.1 and 5.
func connack(version byte) string {
	if version == 5 {
		return "\x20\x03\x00\x00\x00"
	}
	return "\x20\x02\x00\x00"
}

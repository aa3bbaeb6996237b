package bridgeproc

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/loopback"
)

const (
	memoryLimit = 64 << 20
	memoryMost  = memoryLimit / 5 * 6 // resident: the limit and 20 %
)

// memoryPeers is how many peers hold what they may. Under the race detector, whose own memory is several times the program's, it is
// not a figure that means anything, so a few show that all goes on.
func memoryPeers() int {
	if raceEnabled {
		return 300
	}
	return 3000
}

// TestMemoryIsBound holds limits.memory against what the system counts for the process: all peers connect, and then all at once hold
// what they may, while honest devices are served beside them.
func TestMemoryIsBound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	binary := Build(t)
	for _, attack := range []memoryAttack{
		{name: "CONNECT but its last byte", then: part(connectPacket("a", 60<<10), -1)},
		{name: "PUBLISH but its last byte", id: "quiet", then: part(publishPacket("t", 63<<10), -1)},
		{name: "half of a PUBLISH", id: "quiet", then: part(publishPacket("t", 63<<10), 30<<10)},
		{name: "the broker holds back a last byte", id: "quiet", then: publishPacket("half", 0)},
		{name: "devices do not read", id: "quiet", then: publishPacket("flood", 0)},
	} {
		for _, loops := range []string{"auto", "off"} {
			t.Run(attack.name+", event loops "+loops, func(t *testing.T) { attack.run(t, binary, loops) })
		}
	}
}

// memoryAttack is what a peer says, after which it is silent and reads nothing.
type memoryAttack struct {
	name string
	id   string // with which it comes online before; "": it does not
	then []byte
}

func (a memoryAttack) run(t *testing.T, binary, loops string) {
	broker := startScripted(t)
	bridge := Start(t, Options{Binary: binary, Upstream: "tcp://" + broker, Args: []string{
		"--limits.memory", "64MiB", "--event-loops", loops, "--drain.rate", "10000",
	}})
	resident := watchResident(t, bridge.PID())
	var honest []*honestDevice
	for i := range 30 {
		honest = append(honest, openHonest(t, bridge, i))
	}
	alone := resident.now()
	var stop atomic.Bool
	var serving sync.WaitGroup
	for _, d := range honest {
		serving.Go(func() { d.serve(&stop) })
	}
	peers, refused := a.open(t, bridge)
	idle := resident.now()
	a.attack(peers)
	time.Sleep(8 * time.Second) // some are ended meanwhile, and others get what they held
	stop.Store(true)
	serving.Wait()
	var slowest time.Duration
	messages := 0
	for _, d := range honest {
		if d.err != nil {
			t.Errorf("an honest device was not served: %v", d.err)
		}
		slowest, messages = max(slowest, d.slowest), messages+d.messages
	}
	t.Logf("%d peers were let in, %d refused; resident KiB: %d without peers, %d before the attack, %d at most, %d at last; "+
		"%d messages of honest devices, the slowest in %v", len(peers), refused, alone>>10, idle>>10, resident.most.Load()>>10,
		resident.now()>>10, messages, slowest)
	if most := resident.most.Load(); most > memoryMost && !raceEnabled {
		t.Errorf("the bridge used %d KiB, want %d at most", most>>10, memoryMost>>10)
	}
}

// open opens the peers, some at a time, and returns those that were let in.
func (a memoryAttack) open(t *testing.T, bridge *Bridge) (peers []net.Conn, refused int) {
	address := strings.TrimPrefix(bridge.WS, "ws://")
	var mu sync.Mutex
	inParallel(memoryPeers(), func(int) {
		nc, err := a.openOne(address)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			refused++
			return
		}
		peers = append(peers, nc)
	})
	t.Cleanup(func() {
		for _, nc := range peers {
			nc.Close()
		}
	})
	return peers, refused
}

// attack has all peers say what they say at once.
func (a memoryAttack) attack(peers []net.Conn) {
	b := frame(a.then)
	var wg sync.WaitGroup
	for _, nc := range peers {
		wg.Go(func() {
			_ = nc.SetWriteDeadline(time.Now().Add(10 * time.Second)) // who is not read from has tried
			_, _ = nc.Write(b)
		})
	}
	wg.Wait()
}

func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 20 {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i)
			}
		})
	}
	wg.Wait()
}

func (a memoryAttack) openOne(address string) (nc net.Conn, err error) {
	if nc, err = net.Dial("tcp", address); err != nil {
		return nil, err
	}
	_ = nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	_ = nc.SetDeadline(time.Now().Add(patience))
	err = upgradeRaw(nc)
	if err == nil && a.id != "" {
		if _, err = nc.Write(frame(connectPacket(a.id, 0))); err == nil {
			_, err = io.ReadFull(nc, make([]byte, 6)) // CONNACK
		}
	}
	if err != nil {
		nc.Close()
	}
	return nc, err
}

func upgradeRaw(nc net.Conn) error {
	if _, err := io.WriteString(nc, "GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"); err != nil {
		return err
	}
	var head []byte
	one := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(nc, one); err != nil {
			return err
		}
		head = append(head, one[0])
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		return fmt.Errorf("%.30s", head)
	}
	return nil
}

// frame is a binary frame with a mask of zeros.
func frame(payload []byte) []byte {
	head := []byte{0x82}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

func mqttPacket(first byte, body []byte) []byte {
	p := []byte{first}
	for left := len(body); ; {
		digit := byte(left % 128)
		if left /= 128; left == 0 {
			return append(append(p, digit), body...)
		}
		p = append(p, digit|0x80)
	}
}

// connectPacket is a CONNECT with keep alive 0 and a will of so many bytes, if not 0.
func connectPacket(id string, will int) []byte {
	flags := byte(2)
	var rest []byte
	if will > 0 {
		flags |= 4
		rest = binary.BigEndian.AppendUint16([]byte{0, 1, 'w'}, uint16(will))
		rest = append(rest, make([]byte, will)...)
	}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 0, 0, byte(len(id))}, id...)
	return mqttPacket(0x10, append(body, rest...))
}

func publishPacket(topic string, payload int) []byte {
	body := append([]byte{0, byte(len(topic))}, topic...)
	return mqttPacket(0x30, append(body, make([]byte, payload)...))
}

// part is the first n bytes of a packet; below 0: all but so many.
func part(p []byte, n int) []byte {
	if n < 0 {
		return p[:len(p)+n]
	}
	return p[:n]
}

// honestDevice publishes and gets what it published.
type honestDevice struct {
	nc       net.Conn
	in       *bufio.Reader
	err      error
	slowest  time.Duration
	messages int
}

func openHonest(t *testing.T, bridge *Bridge, i int) *honestDevice {
	nc, err := net.Dial("tcp", strings.TrimPrefix(bridge.WS, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	if err := upgradeRaw(nc); err != nil {
		t.Fatal(err)
	}
	d := &honestDevice{nc: nc, in: bufio.NewReader(nc)}
	if _, err := nc.Write(frame(connectPacket(fmt.Sprintf("honest%d", i), 0))); err != nil {
		t.Fatal(err)
	}
	if p, err := d.packet(); err != nil || p[0] != 0x20 {
		t.Fatalf("no CONNACK: % x, %v", p, err)
	}
	return d
}

func (d *honestDevice) packet() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(d.in, head[:2]); err != nil {
		return nil, err
	}
	if head[0] != 0x82 {
		return nil, fmt.Errorf("frame % x", head)
	}
	n := int(head[1])
	if n == 126 {
		if _, err := io.ReadFull(d.in, head[2:]); err != nil {
			return nil, err
		}
		n = int(binary.BigEndian.Uint16(head[2:]))
	}
	p := make([]byte, n)
	_, err := io.ReadFull(d.in, p)
	return p, err
}

// serve publishes small messages until it is told to stop, and waits for each.
func (d *honestDevice) serve(stop *atomic.Bool) {
	p := publishPacket("echo", 200)
	for !stop.Load() {
		began := time.Now()
		_ = d.nc.SetDeadline(began.Add(patience))
		if _, d.err = d.nc.Write(frame(p)); d.err != nil {
			return
		}
		got, err := d.packet()
		if err != nil || !bytes.Equal(got, p) {
			d.err = fmt.Errorf("got %d bytes % .40x: %v", len(got), got, err)
			return
		}
		d.slowest = max(d.slowest, time.Since(began))
		d.messages++
		time.Sleep(50 * time.Millisecond)
	}
}

// resident watches what the system counts for a process.
type resident struct {
	pid  int
	most atomic.Int64
}

func watchResident(t *testing.T, pid int) *resident {
	r := &resident{pid: pid}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				r.most.Store(max(r.most.Load(), r.now()))
			}
		}
	})
	t.Cleanup(func() { close(done); wg.Wait() })
	return r
}

func (r *resident) now() int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", r.pid))
	var size, pages int64
	_, _ = fmt.Sscan(string(b), &size, &pages)
	return pages * int64(os.Getpagesize())
}

// startScripted runs a broker that does what client identifiers tell it to, and returns its address.
func startScripted(t *testing.T) string {
	l, err := net.Listen("tcp", loopback.Address(t, loopback.Host()))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]struct{}{}
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[nc] = struct{}{}
			mu.Unlock()
			wg.Go(func() {
				defer nc.Close()
				scripted(nc)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for nc := range conns {
			nc.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func scripted(nc net.Conn) {
	in := bufio.NewReaderSize(nc, 512)
	for {
		first, err := in.ReadByte()
		if err != nil {
			return
		}
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		switch first >> 4 {
		case 1:
			_, _ = nc.Write([]byte{0x20, 2, 0, 0})
		case 3:
			switch body[2] {
			case 'h': // half
				_, _ = nc.Write(part(publishPacket("t", 63<<10), -1))
			case 'f': // flood
				for p := publishPacket("t", 4000); err == nil; {
					_, err = nc.Write(p)
				}
			default:
				_, _ = nc.Write(mqttPacket(first, body))
			}
		case 12:
			_, _ = nc.Write([]byte{0xd0, 0})
		case 14:
			return
		}
	}
}

package bridge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

const (
	hugeSize = 100 << 20
	// Bytes that a session holds, whatever passes through it: two buffers at most, and what is written. Below a mount there is one more
	// buffer, for what is written in place of what was read.
	holdMost        = 128 << 10
	holdMostMounted = 160 << 10
)

// TestHugePublish passes 100 MiB each way at once, stops both in the middle, and looks at what the bridge holds then.
func TestHugePublish(t *testing.T) {
	t.Run("plain", func(t *testing.T) { passHuge(t, bridge.Pass{}, "topic", "topic", holdMost) })
	t.Run("below a mount", func(t *testing.T) {
		passHuge(t, bridge.Pass{Policy: openPolicy(testMount)}, "topic", testMount+"topic", holdMostMounted)
	})
}

func passHuge(t *testing.T, pass bridge.Pass, atDevice, atBroker string, most int64) {
	r := newRig(t, nil)
	r.pass = pass
	dev, br := r.overTCP()
	hello := connect(mqttio.V311, "huge", 0)
	dev.send(hello)
	got := make([]byte, len(hello))
	if _, err := io.ReadFull(br, got); err != nil || !bytes.Equal(got, hello) {
		t.Fatalf("broker sees % x, %v", got, err)
	}
	if _, err := br.Write(connack(mqttio.V311)); err != nil {
		t.Fatal(err)
	}
	dev.expect(connack(mqttio.V311))
	up, down := newHuge(1, atDevice, atBroker), newHuge(2, atBroker, atDevice)
	scratch := make([]byte, 64<<10)
	before := heap()
	errs := make(chan error, 2)
	go func() { errs <- up.write(frameWriter{dev.nc}) }()
	go func() { errs <- down.write(br) }()
	fromDevice, fromBroker := sha256.New(), sha256.New()
	half := int64(hugeSize / 2)
	if err := read(fromDevice, br, half, scratch); err != nil {
		t.Fatal(err)
	}
	frames := &frameReader{dev: dev}
	if err := read(fromBroker, frames, half, scratch); err != nil {
		t.Fatal(err)
	}
	held := int64(0)
	for range 20 { // on a busy machine what seems stuck may still be about to move
		r.stuck()
		if held = heap() - before; held <= most {
			break
		}
	}
	if held > most {
		t.Errorf("in the middle of both packets the session holds %d bytes more, the limit is %d", held, most)
	}
	t.Logf("in the middle of both packets the session holds %d bytes more", held)
	go func() { errs <- read(fromDevice, br, int64(up.seen)-half, make([]byte, 64<<10)) }()
	if err := read(fromBroker, frames, int64(down.seen)-half, scratch); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(fromDevice.Sum(nil), up.sum.Sum(nil)) || !bytes.Equal(fromBroker.Sum(nil), down.sum.Sum(nil)) {
		t.Error("what arrived is not what was sent")
	}
}

// stuck waits until both pumps wait for a reader: nothing moves for a while.
func (r *rig) stuck() {
	r.t.Helper()
	for last := -1.0; ; {
		now := r.packets("bytes_total", "up", "PUBLISH") + r.packets("bytes_total", "down", "PUBLISH")
		if now == last {
			return
		}
		last = now
		<-time.After(100 * time.Millisecond) // the kernel's buffers fill up
	}
}

// overTCP opens a device's WebSocket and its broker's connection on the loopback, whose buffers are the kernel's.
func (r *rig) overTCP() (*device, net.Conn) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { l.Close() })
	pair := func() (a, b net.Conn) {
		if a, err = net.Dial("tcp", l.Addr().String()); err != nil {
			r.t.Fatal(err)
		}
		if b, err = l.Accept(); err != nil {
			r.t.Fatal(err)
		}
		r.t.Cleanup(func() { a.Close(); b.Close() })
		return a, b
	}
	ours, theirs := pair()
	r.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
		return bridge.Broker{Conn: ours, Name: "loopback"}, nil
	})
	nc, served := pair()
	r.serve(served)
	d := newDevice(r.t, nc)
	d.br = bufio.NewReaderSize(nc, 128<<10)
	d.request(goodHandshake)
	return d, theirs
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools keep is gone after the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// huge makes a PUBLISH of hugeSize and more, piece by piece.
type huge struct {
	rand    *rand.ChaCha8
	head    []byte
	payload int
	piece   []byte
	seen    int       // bytes of the packet as it is to arrive
	sum     hash.Hash // of these
}

// newHuge makes one to a topic that arrives under the name seen.
func newHuge(seed byte, topic, seen string) *huge {
	head := func(topic string) []byte {
		return append(packet(0x30, make([]byte, hugeSize+len(topic)))[:5], text(topic)...)
	}
	h := &huge{rand: rand.NewChaCha8([32]byte{seed}), head: head(topic), payload: hugeSize - 2, piece: make([]byte, 100<<10), sum: sha256.New()}
	h.seen = len(head(seen)) + h.payload
	h.sum.Write(head(seen))
	return h
}

func (h *huge) write(w io.Writer) error {
	if _, err := w.Write(h.head); err != nil {
		return err
	}
	w = io.MultiWriter(w, h.sum)
	for left := h.payload; left > 0; {
		n := min(left, len(h.piece))
		_, _ = h.rand.Read(h.piece[:n])
		if _, err := w.Write(h.piece[:n]); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// read hashes n bytes of r.
func read(h hash.Hash, r io.Reader, n int64, scratch []byte) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{io.LimitReader(r, n)}, scratch)
	return err
}

// frameWriter makes a frame of each write, masked with zeros.
type frameWriter struct{ nc net.Conn }

func (w frameWriter) Write(p []byte) (int, error) {
	n := len(p)
	head := []byte{0x82, 0xFF, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}
	if _, err := w.nc.Write(head); err != nil {
		return 0, err
	}
	return w.nc.Write(p)
}

// frameReader is the payload of the frames, each of which has to be whole, final, binary and at most 64 KiB.
type frameReader struct {
	dev  *device
	left int
}

func (r *frameReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		op, size, err := r.dev.header()
		if err != nil {
			return 0, err
		}
		if op != 2 {
			r.dev.t.Errorf("frame of type %d", op)
		}
		r.left = size
	}
	n, err := r.dev.br.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

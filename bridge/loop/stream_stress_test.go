//go:build linux

package loop_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
)

// flow writes packets of sizes that follow from seed, in bursts with pauses, and returns what it wrote when it is over.
func flow(seed int64, until time.Time, write func([]byte) error) ([]byte, error) {
	r := rand.New(rand.NewSource(seed))
	var all []byte
	for n := 0; time.Now().Before(until) && len(all) < 64<<20; n++ {
		size := r.Intn(60)
		switch r.Intn(40) {
		case 0:
			size = r.Intn(100 << 10)
		case 1, 2, 3:
			size = r.Intn(2000)
		}
		p := publish(size + 8)
		binary.BigEndian.PutUint64(p[len(p)-8:], uint64(n))
		all = append(all, p...)
		for len(p) > 0 {
			k := len(p)
			if r.Intn(4) == 0 {
				k = 1 + r.Intn(len(p))
			}
			if err := write(p[:k]); err != nil {
				return all, err
			}
			p = p[k:]
		}
		switch r.Intn(200) {
		case 0:
			time.Sleep(time.Duration(r.Intn(300)) * time.Millisecond)
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
			time.Sleep(time.Duration(r.Intn(3)) * time.Millisecond)
		}
	}
	return all, nil
}

// sip reads all, with long pauses now and then so that whoever writes has to wait.
func sip(seed int64, read func([]byte) (int, error), got *atomic.Int64) []byte {
	r := rand.New(rand.NewSource(seed))
	var all []byte
	b := make([]byte, 32<<10)
	for {
		n, err := read(b[:1+r.Intn(len(b))])
		all = append(all, b[:n]...)
		got.Add(int64(n))
		if err != nil {
			return all
		}
		if r.Intn(2000) == 0 {
			time.Sleep(time.Duration(r.Intn(500)) * time.Millisecond)
		}
	}
}

// unframe takes the frames of a server apart. Pings are left out.
func unframe(b []byte) (out []byte, err error) {
	for len(b) > 0 {
		if len(b) < 2 {
			return out, io.ErrUnexpectedEOF
		}
		op, n, head := b[0]&15, int(b[1]), 2
		switch n {
		case 126:
			n, head = int(binary.BigEndian.Uint16(b[2:])), 4
		case 127:
			n, head = int(binary.BigEndian.Uint64(b[2:])), 10
		}
		if len(b) < head+n {
			return out, io.ErrUnexpectedEOF
		}
		switch op {
		case 2:
			out = append(out, b[head:head+n]...)
		case 8, 9, 10:
		default:
			return out, fmt.Errorf("frame of type %d", op)
		}
		b = b[head+n:]
	}
	return out, nil
}

// TestStreamsStayWhole: what goes through a session is the same on both sides, however often it changes between its goroutines and
// the loop, and no descriptor is left over.
func TestStreamsStayWhole(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		before := descriptors(t)
		t.Run("streams", func(t *testing.T) {
			s := k.scene(t, func(l *bridge.Limits) { l.PingInterval = 20 * time.Millisecond })
			until := time.Now().Add(2 * time.Second)
			var wg sync.WaitGroup
			for i := range 8 {
				d := s.raw()
				wg.Go(func() { bothWays(t, d, int64(i*10), until) })
			}
			wg.Wait()
		})
		awaitDescriptors(t, before+1)
	})
}

// bothWays sends a flow each way and compares.
func bothWays(t *testing.T, d *rawDevice, seed int64, until time.Time) {
	for _, nc := range []*peer{d.nc, d.broker} {
		_ = nc.SetDeadline(time.Time{})
		_ = nc.tcp.SetReadBuffer(64 << 10)
	}
	var up, down, gotUp, gotDown []byte
	var errUp, errDown error
	var arrived, discarded atomic.Int64
	var writers, readers sync.WaitGroup
	writers.Go(func() { up, errUp = flow(seed, until, d.writeFrames) })
	writers.Go(func() {
		down, errDown = flow(seed+1, until, func(b []byte) error { _, err := d.broker.Write(b); return err })
	})
	readers.Go(func() { gotUp = sip(seed+2, d.broker.Read, &arrived) })
	readers.Go(func() { gotDown = sip(seed+3, d.in.Read, &discarded) })
	writers.Wait()
	seen := arrived.Load()
	for end := time.Now().Add(patience); seen < int64(len(up)) && time.Now().Before(end); { // since something came
		time.Sleep(10 * time.Millisecond)
		if now := arrived.Load(); now > seen {
			seen, end = now, time.Now().Add(patience)
		}
	}
	_ = d.broker.CloseWrite() // ends the session, behind all that the broker said
	readers.Wait()
	if errUp != nil || !bytes.Equal(gotUp, up) {
		t.Errorf("broker got %d bytes that are not the %d of the device: %v", len(gotUp), len(up), errUp)
	}
	stream, err := unframe(gotDown)
	if err != nil || errDown != nil || !bytes.Equal(stream, down) {
		t.Errorf("device got %d bytes that are not the %d of the broker: %v, %v", len(stream), len(down), err, errDown)
	}
}

// writeFrames writes b in small frames.
func (d *rawDevice) writeFrames(b []byte) error {
	for len(b) > 0 {
		k := min(len(b), 125)
		if _, err := d.nc.Write(masked(2, b[:k])); err != nil {
			return err
		}
		b = b[k:]
	}
	return nil
}

//go:build linux

package loop_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
)

// rawDevice is a device whose frames the test writes itself, so that it says what comes in one segment.
type rawDevice struct {
	t      testing.TB
	nc     *peer
	in     *bufio.Reader
	broker *peer
}

// masked is a frame with a mask of zeros.
func masked(op byte, payload []byte) []byte {
	return append([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// raw brings a raw device online and has it served.
func (s *scene) raw() *rawDevice {
	s.t.Helper()
	nc := s.dial()
	d := &rawDevice{t: s.t, nc: nc, in: bufio.NewReader(nc)}
	_ = nc.SetDeadline(time.Now().Add(patience))
	d.write([]byte("GET /mqtt HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"))
	if resp, err := http.ReadResponse(d.in, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		s.t.Fatalf("upgrade: %v, %v", resp, err)
	}
	hello := []byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'd'}
	d.write(masked(2, hello))
	d.broker = s.accept()
	_ = d.broker.SetDeadline(time.Now().Add(patience))
	d.brokerReads(len(hello))
	_, _ = d.broker.Write([]byte{0x20, 2, 0, 0})
	if _, err := io.ReadFull(d.in, make([]byte, 6)); err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (d *rawDevice) write(b []byte) {
	d.t.Helper()
	if _, err := d.nc.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

func (d *rawDevice) brokerReads(n int) {
	d.t.Helper()
	if _, err := io.ReadFull(d.broker, make([]byte, n)); err != nil {
		d.t.Fatalf("broker: %v", err)
	}
}

// TestCloseFrameBehindPacket: the close frame is in the read that brought the packet, and nothing more comes to show it.
func TestCloseFrameBehindPacket(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, nil)
		d := s.raw()
		s.served()
		d.write(append(masked(2, pingreq), masked(8, []byte{3, 233})...))
		d.brokerReads(2)
		_ = d.broker.SetReadDeadline(time.Now().Add(patience))
		if _, err := d.broker.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the broker was not told that the device has gone: %v", err)
		}
	})
}

// TestBadFrameBehindPacket is the same for a frame that breaks the protocol.
func TestBadFrameBehindPacket(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, nil)
		d := s.raw()
		s.served()
		d.write(append(masked(2, pingreq), 0x82, 0x00)) // not masked
		d.brokerReads(2)
		_ = d.broker.SetReadDeadline(time.Now().Add(patience))
		if _, err := d.broker.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the session goes on: %v", err)
		}
	})
}

// TestCutWhileServed: closing the bridge closes no descriptor that a loop is using.
func TestCutWhileServed(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for range 3 {
			s := k.scene(t, nil)
			var wg sync.WaitGroup
			var stop atomic.Bool
			for range 8 {
				d := s.raw()
				for _, way := range []func() error{
					func() error { _, err := d.nc.Write(masked(2, pingreq)); return err },
					func() error { _, err := d.broker.Write(pingresp); return err },
					func() error { _, err := d.nc.Read(make([]byte, 1024)); return err },
					func() error { _, err := d.broker.Read(make([]byte, 1024)); return err },
				} {
					wg.Go(func() {
						for !stop.Load() && way() == nil {
							time.Sleep(10 * time.Microsecond)
						}
					})
				}
			}
			time.Sleep(1500 * time.Millisecond)
			s.bridge.Close()
			stop.Store(true)
			wg.Wait()
		}
	})
}

// TestPingsWhileServed: pings are written by another goroutine than what is served.
func TestPingsWhileServed(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, func(l *bridge.Limits) { l.PingInterval = time.Millisecond })
		var wg sync.WaitGroup
		var stop atomic.Bool
		var devices []*rawDevice
		for range 8 {
			devices = append(devices, s.raw())
		}
		for _, d := range devices {
			_ = d.nc.SetDeadline(time.Time{}) // connecting so many may have taken most of it
			_ = d.broker.SetDeadline(time.Time{})
			_ = d.nc.tcp.SetReadBuffer(4 << 10)
			for _, way := range []func() error{
				func() error { _, err := d.nc.Write(masked(2, pingreq)); return err },
				func() error { _, err := d.broker.Write(pingresp); return err },
				func() error { time.Sleep(time.Millisecond); _, err := d.nc.Read(make([]byte, 4096)); return err },
				func() error { _, err := d.broker.Read(make([]byte, 4096)); return err },
			} {
				wg.Go(func() {
					for !stop.Load() {
						if err := way(); err != nil && !stop.Load() {
							t.Errorf("session broke: %v", err)
							return
						}
					}
				})
			}
		}
		time.Sleep(8 * time.Second)
		stop.Store(true)
		s.bridge.Close() // a write may wait
		wg.Wait()
	})
}

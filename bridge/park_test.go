package bridge_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// placeFake is a place whose sockets nobody looks at: the test says when there is something to read.
type placeFake struct {
	waker bridge.Parked
	parks atomic.Int32
	left  atomic.Int32
	fails error
}

func (p *placeFake) Park() error {
	p.parks.Add(1)
	return p.fails
}

func (p *placeFake) Serves() bool { return false }
func (p *placeFake) Block()       {}
func (p *placeFake) Unpark()      {}
func (p *placeFake) Leave()       { p.left.Add(1) }

// quietScene is a session that can be parked, online.
func quietScene(t *testing.T, keepAlive uint16, fails error) (*rig, *placeFake, *device, *broker) {
	place := &placeFake{fails: fails}
	r := newRigWith(t, bridge.Options{Limits: plenty(), Place: func(s bridge.Parked, _, _ bridge.Rewirable) (bridge.Place, error) {
		place.waker = s
		return place, nil
	}})
	d := r.open()
	hello := connect(mqttio.V5, "quiet", keepAlive)
	d.send(hello)
	b := r.broker()
	b.expect(hello)
	b.send(hx("2003 00 00 00"))
	d.expect(hx("2003 00 00 00"))
	return r, place, d, b
}

const untilParked = 8 * time.Second // five quiet seconds, and the watch has to come by

// parked waits until the session has parked once more.
func (p *placeFake) parked(t *testing.T, times int32) {
	t.Helper()
	time.Sleep(untilParked)
	synctest.Wait()
	if got := p.parks.Load(); got != times {
		t.Fatalf("parked %d times, want %d", got, times)
	}
}

func TestQuietSessionParksAndWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, d, b := quietScene(t, 0, nil)
		place.parked(t, 1)
		d.send(hx("C000"))
		place.waker.Wake()
		b.expect(hx("C000"))
		place.parked(t, 2)
		b.send(hx("D000"))
		place.waker.Wake()
		d.expect(hx("D000"))
		place.parked(t, 3)
		place.waker.Wake() // for nothing
		place.waker.Wake()
		place.parked(t, 4)
	})
}

func TestParkedSessionHasNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, _, _ := quietScene(t, 0, nil)
		if n := strings.Count(stacks(), "(*session)."); n == 0 {
			t.Fatal("an online session has no goroutine: this test does not see them")
		}
		place.parked(t, 1)
		if s := stacks(); strings.Contains(s, "(*session).") {
			t.Errorf("a parked session has goroutines:\n%s", s)
		}
	})
}

func TestBusySessionDoesNotPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, d, b := quietScene(t, 0, nil)
		for range 10 {
			time.Sleep(4 * time.Second)
			d.send(hx("C000"))
			b.expect(hx("C000"))
		}
		if n := place.parks.Load(); n != 0 {
			t.Errorf("parked %d times between packets that came every four seconds", n)
		}
	})
}

func TestParkedSessionKeepsHalfAPacket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, d, b := quietScene(t, 0, nil)
		up, down := hx("3006 0001't' 00 'up'"), hx("3008 0001't' 00 'down'")
		whole := frame(0x82, up)
		d.raw(whole[:9]) // within the frame's header and mask, and within the packet
		b.send(down[:5])
		place.parked(t, 1)
		d.raw(whole[9:])
		b.send(down[5:])
		place.waker.Wake()
		b.expect(up)
		d.expect(down)
	})
}

func TestParkedSessionEnds(t *testing.T) {
	ends := map[string]func(r *rig, p *placeFake, d *device, b *broker){
		"keepalive-timeout": func(*rig, *placeFake, *device, *broker) { time.Sleep(60 * time.Second) },
		"shutdown":          func(r *rig, _ *placeFake, _ *device, _ *broker) { r.bridge.Drain(context.Background(), 1000) },
		"device-closed":     func(_ *rig, p *placeFake, d *device, _ *broker) { d.halfClose(); p.waker.Wake() },
		"broker-closed":     func(_ *rig, p *placeFake, _ *device, b *broker) { b.nc.CloseWrite(); p.waker.Wake() },
		"cut":               func(r *rig, _ *placeFake, _ *device, _ *broker) { r.bridge.Close() },
	}
	for reason, act := range ends {
		t.Run(reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, place, d, b := quietScene(t, 30, nil)
				place.parked(t, 1)
				go d.rest()
				go b.rest()
				act(r, place, d, b)
				r.settled()
				lines := r.log.ends(t)
				if len(lines) != 1 || lines[0]["reason"] != reason {
					t.Errorf("log says %v, want one end for %s", lines, reason)
				}
				if n := place.left.Load(); n != 1 {
					t.Errorf("the place was given back %d times", n)
				}
				place.waker.Wake() // late: nothing may happen
			})
		})
	}
}

func TestSessionThatCannotParkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, d, b := quietScene(t, 0, errors.New("no more places"))
		place.parked(t, 1)
		d.send(hx("C000"))
		b.expect(hx("C000"))
		place.parked(t, 1) // it is not tried again
		if place.left.Load() != 1 {
			t.Error("the place that was of no use was not given back")
		}
	})
}

// stacks returns those of all goroutines.
func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// TestStuckWriteIsNotQuiet: while a device does not read, what it sends still reaches the broker.
func TestStuckWriteIsNotQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, place, d, b := quietScene(t, 0, nil)
		flood := packet(0x30, text("t"), []byte{0}, make([]byte, 60<<10))
		go func() {
			for b.nc.SetWriteDeadline(time.Now().Add(patience)); ; {
				if _, err := b.nc.Write(flood); err != nil {
					return
				}
			}
		}()
		time.Sleep(untilParked) // the buffers towards the device are full by now
		d.send(hx("C000"))
		b.expect(hx("C000"))
		if place.parks.Load() != 0 {
			t.Error("parked with a write under way")
		}
		d.nc.Close()
		b.nc.Close()
	})
}

// TestNoPlaceForWhoIsEnding: a place puts other connections there, which nobody may do while they are being closed.
func TestNoPlaceForWhoIsEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		r := newRigWith(t, bridge.Options{Limits: plenty(), Place: func(bridge.Parked, bridge.Rewirable, bridge.Rewirable) (bridge.Place, error) {
			asked.Store(true)
			return nil, errors.New("no place")
		}})
		r.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
			ours, theirs := memnet.Pipe(bufferSize)
			t.Cleanup(func() { theirs.Close() })
			return bridge.Broker{Conn: lastWord{ours, r.bridge}, Name: "memory"}, nil
		})
		d := r.open()
		d.send(connect(mqttio.V5, "c", 60))
		if h := d.rest(); h.code != 0 {
			t.Errorf("device hears %v", h)
		}
		r.settled()
		if asked.Load() {
			t.Error("a place was looked for")
		}
	})
}

// lastWord is a connection to a broker during whose write all sessions are cut.
type lastWord struct {
	*memnet.Conn
	bridge *bridge.Bridge
}

func (c lastWord) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c.bridge.Drain(ctx, 1)
	return n, err
}

package bridge_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// placeFake is a place that no session can wait in.
type placeFake struct{ parks, left atomic.Int32 }

func (p *placeFake) Park() error {
	p.parks.Add(1)
	return errors.New("no more places")
}

func (p *placeFake) Block()  {}
func (p *placeFake) Unpark() {}
func (p *placeFake) Leave()  { p.left.Add(1) }

// quietScene is a session with such a place, online.
func quietScene(t *testing.T) (*placeFake, *device, *broker) {
	place := &placeFake{}
	r := newRigWith(t, bridge.Options{Limits: plenty(), Place: func(bridge.Parked, bridge.Rewirable, bridge.Rewirable) (bridge.Place, error) {
		return place, nil
	}})
	d := r.open()
	hello := connect(mqttio.V5, "quiet", 0)
	d.send(hello)
	b := r.broker()
	b.expect(hello)
	b.send(hx("2003 00 00 00"))
	d.expect(hx("2003 00 00 00"))
	return place, d, b
}

const untilParked = 3 * time.Second // the watch has to come by

// parked waits until the session has parked once more.
func (p *placeFake) parked(t *testing.T, times int32) {
	t.Helper()
	time.Sleep(untilParked)
	synctest.Wait()
	if got := p.parks.Load(); got != times {
		t.Fatalf("parked %d times, want %d", got, times)
	}
}

func TestSessionThatCannotParkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, d, b := quietScene(t)
		place.parked(t, 1)
		d.send(hx("C000"))
		b.expect(hx("C000"))
		place.parked(t, 1) // it is not tried again
		if place.left.Load() != 1 {
			t.Error("the place that was of no use was not given back")
		}
	})
}

// TestStuckWriteIsNotQuiet: while a device does not read, what it sends still reaches the broker.
func TestStuckWriteIsNotQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		place, d, b := quietScene(t)
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

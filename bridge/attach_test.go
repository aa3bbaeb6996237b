package bridge_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// registrationFake is a registration that no session can wait in.
type registrationFake struct{ attaches, left atomic.Int32 }

func (p *registrationFake) Attach() error {
	p.attaches.Add(1)
	return errors.New("no more slots")
}

func (p *registrationFake) Block()  {}
func (p *registrationFake) Detach() {}
func (p *registrationFake) Leave()  { p.left.Add(1) }

// quietScene is a session with such a registration, online.
func quietScene(t *testing.T) (*registrationFake, *device, *broker) {
	registration := &registrationFake{}
	r := newRigWith(t, bridge.Options{Limits: plenty(), Register: func(drive.Served, drive.Rewirable, drive.Rewirable) (drive.Registration, error) {
		return registration, nil
	}})
	d := r.open()
	hello := connect(mqttio.V5, "quiet", 0)
	d.send(hello)
	b := r.broker()
	b.expect(hello)
	b.send(hx("2003 00 00 00"))
	d.expect(hx("2003 00 00 00"))
	return registration, d, b
}

const untilAttached = 3 * time.Second // the watch has to come by

// attached waits until the session has attached once more.
func (p *registrationFake) attached(t *testing.T, times int32) {
	t.Helper()
	time.Sleep(untilAttached)
	synctest.Wait()
	if got := p.attaches.Load(); got != times {
		t.Fatalf("attached %d times, want %d", got, times)
	}
}

func TestSessionThatCannotParkGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registration, d, b := quietScene(t)
		registration.attached(t, 1)
		d.send(hx("C000"))
		b.expect(hx("C000"))
		registration.attached(t, 1) // it is not tried again
		if registration.left.Load() != 1 {
			t.Error("the registration that was of no use was not given back")
		}
	})
}

// TestStuckWriteIsNotQuiet: while a device does not read, what it sends still reaches the broker.
func TestStuckWriteIsNotQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registration, d, b := quietScene(t)
		flood := packet(0x30, text("t"), []byte{0}, make([]byte, 60<<10))
		go func() {
			for b.nc.SetWriteDeadline(time.Now().Add(patience)); ; {
				if _, err := b.nc.Write(flood); err != nil {
					return
				}
			}
		}()
		time.Sleep(untilAttached) // the buffers towards the device are full by now
		d.send(hx("C000"))
		b.expect(hx("C000"))
		if registration.attaches.Load() != 0 {
			t.Error("attached with a write under way")
		}
		d.nc.Close()
		b.nc.Close()
	})
}

// TestNoRegistrationOfAnEndingSession: a registration puts other connections there, which nobody may do while they are being closed.
func TestNoRegistrationOfAnEndingSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Bool
		r := newRigWith(t, bridge.Options{Limits: plenty(), Register: func(drive.Served, drive.Rewirable, drive.Rewirable) (drive.Registration, error) {
			asked.Store(true)
			return nil, errors.New("no registration")
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
			t.Error("a registration was looked for")
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

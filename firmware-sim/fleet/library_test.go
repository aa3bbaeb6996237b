package fleet_test

import (
	"context"
	"net"
	"testing"
	"time"

	"mqtt-ws-bridge/firmware-sim/internal/faulty"
)

// slowWriter takes its time for every write, so that packets which are written in several pieces by several goroutines at once
// get into each other, unless somebody keeps them apart.
type slowWriter struct{ net.Conn }

func (s slowWriter) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	time.Sleep(2 * time.Millisecond) // the time is the subject
	return n, err
}

// The library acknowledges commands from one goroutine, publishes from another and pings from a third: no packet may get into
// another one.
func TestLibraryDevicesKeepTheirConnections(t *testing.T) {
	t.Parallel()
	c := config(t, faulty.Start(t).URL, "autopaho-linux-arm", 8)
	c.Commands, c.Rate, c.Messages, c.QoS = 100, 50, 40, [3]float64{1, 0, 0}
	c.Device.Endpoint.Open = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return slowWriter{conn}, nil
	}
	r := run(t, c)
	if p := r.Profiles[0]; !r.Clean || p.Losses != 0 || p.Failures != 0 || p.Connects != 8 {
		t.Errorf("broken: %s, %d connects, %d lost: %v", bad(r), p.Connects, p.Losses, p.Errors)
	}
	// 40 messages of 8 devices and the commands that came down, none of them shorter than this.
	if p := r.Profiles[0]; p.BytesUp < 8*40*20 || p.BytesDown < 8*20 {
		t.Errorf("%d bytes up and %d down are fewer than the messages have", p.BytesUp, p.BytesDown)
	}
}

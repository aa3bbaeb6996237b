package bridge_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// lateConn comes back from a write a second after its bytes have arrived.
type lateConn struct{ net.Conn }

func (c lateConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	time.Sleep(time.Second)
	return n, err
}

// TestBrokerClosesAtDisconnect: a broker closes as soon as it has read DISCONNECT, which may be before the bridge is back from
// writing it. The end is still the device's.
func TestBrokerClosesAtDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		s.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
			ours, theirs := memnet.Pipe(bufferSize)
			s.up.brokers <- theirs
			return bridge.Broker{Conn: lateConn{ours}, Name: "late"}, nil
		})
		s.online()
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			s.br.expect(hx("E000"))
			s.br.nc.Close()
		}()
		s.dev.send(hx("E000"))
		if h := s.dev.rest(); h.code != 1000 || len(h.packets) != 0 {
			t.Errorf("device hears %v", h)
		}
		<-closed
		s.settled()
		if lines := s.log.ends(t); len(lines) != 1 || lines[0]["reason"] != "device-disconnect" {
			t.Errorf("log says %v", lines)
		}
	})
}

package bridge_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
)

// addressed is a connection from an address.
type addressed struct {
	*memnet.Conn
	peer net.Addr
}

func (c addressed) RemoteAddr() net.Addr { return c.peer }

// comesFrom is a device that connects from an address.
func (r *rig) comesFrom(address string) *device {
	r.t.Helper()
	ours, theirs := memnet.Pipe(bufferSize)
	r.t.Cleanup(func() { ours.Close() })
	r.serve(addressed{theirs, net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))})
	return newDevice(r.t, ours)
}

// TestAttack32_one_address_storms: while one address has taken all dials, and many of its devices wait for more, it is that address which
// is refused. A device from elsewhere is let in, and its broker is the next one that is dialled.
func TestAttack32_one_address_storms(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(map[bool]string{false: "dials are full", true: "hundreds wait"}[early], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const dials = 4
				r := newRig(t, func(l *bridge.Limits) { l.Dials, l.DialTimeout = dials, time.Hour })
				dialled, goOn := make(chan string, 1000), make(chan struct{})
				r.up.dialWith(func(_ context.Context, d bridge.DeviceInfo) (bridge.Broker, error) {
					dialled <- string(bytes.Clone(d.Connect.ClientID))
					<-goOn
					ours, theirs := memnet.Pipe(bufferSize)
					r.up.brokers <- theirs
					return bridge.Broker{Conn: ours, Name: "memory"}, nil
				})
				flood := func() *http.Response { return r.comesFrom("2001:db8:0:1::1").request(goodHandshake) }
				var open []*device
				for range 300 { // they are all let in before the first says CONNECT
					if d := r.comesFrom("2001:db8::1"); early || len(open) < dials {
						d.request(goodHandshake)
						open = append(open, d)
					}
				}
				for _, d := range open {
					d.send(connect(mqttio.V311, "flood", 0))
				}
				synctest.Wait()
				if resp := flood(); resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("one more of the flood gets %s", resp.Status)
				}
				if why := r.bridge.Admit(""); why != nil {
					t.Errorf("load balancers are told %v", why)
				}
				honest := r.comesFrom("192.0.2.1")
				if resp := honest.request(goodHandshake); resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("a device from elsewhere gets %s", resp.Status)
				}
				honest.send(connect(mqttio.V311, "honest", 0))
				synctest.Wait()
				for range dials {
					if id := <-dialled; id != "flood" {
						t.Fatalf("dialled for %q", id)
					}
				}
				goOn <- struct{}{} // one of the flood's is over
				synctest.Wait()
				if id := <-dialled; id != "honest" && !early {
					t.Errorf("the next dial is for %q", id)
				} else if id != "honest" {
					goOn <- struct{}{} // groups are served in rotation
					if id := <-dialled; id != "honest" {
						t.Errorf("the dials after that are for %q", id)
					}
				}
				close(goOn)
			})
		})
	}
}

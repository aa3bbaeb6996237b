package bridge_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

// TestStuckPing: a ping that waits does not keep a session from ending.
func TestStuckPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := plenty()
		limits.PingInterval = 10 * time.Second
		r := newRigWith(t, bridge.Options{Limits: limits})
		d := r.open()
		hello := connect(mqttio.V5, "quiet", 0)
		d.send(hello)
		b := r.broker()
		b.expect(hello)
		b.send(hx("2003 00 00 00"))
		d.expect(hx("2003 00 00 00"))
		// fill the buffer to the device: all but 3 bytes
		for left := bufferSize - 3; left > 0; {
			n := min(left, 60000)
			if left-n > 0 && left-n < 300 {
				n -= 1000
			}
			// frame header 4, packet header 4, topic 3, property length 1
			b.send(packet(0x30, text("t"), []byte{0}, make([]byte, n-4-4-3-1)))
			left -= n
		}
		synctest.Wait()
		time.Sleep(40 * time.Second)
		synctest.Wait()
		if len(r.log.ends(t)) == 0 {
			t.Error("no write timeout")
		}
		var wg sync.WaitGroup
		wg.Go(func() { r.bridge.Close() })
		time.Sleep(40 * time.Second)
		if r.bridge.Sessions() > 0 {
			t.Error("bridge does not close")
			d.nc.Close()
		}
		wg.Wait()
		b.nc.Close()
	})
}

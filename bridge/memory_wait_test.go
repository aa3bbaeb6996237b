package bridge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

// TestLargeBesideSmall: a large packet is not kept waiting by a stream of smaller ones, each of which takes what has come free.
func TestLargeBesideSmall(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 3, nil)
		middle := publish(v, "t", string(make([]byte, 6000)))
		const half = 3000
		var small []*scene
		for range 8 { // they have memory for most of the time, and never all of them none
			s := r.join(v)
			s.dev.send(middle[:half])
			small = append(small, s)
		}
		synctest.Wait()
		large := r.join(v)
		large.dev.send(largePublish(v))
		began := time.Now()
		for range 100 {
			for _, s := range small {
				time.Sleep(10 * time.Millisecond)
				s.dev.send(middle[half:], middle[:half])
				s.br.expect(middle)
			}
		}
		large.br.expect(largePublish(v))
		if n := r.single("packet_memory_waiting"); n > 0 || len(r.counted()) > 0 {
			t.Errorf("%v wait, %v ended after %v", n, r.counted(), time.Since(began))
		}
	})
}

// TestWaitIsNotJudged: a device that waits for memory with a part of its packet, for longer than what it has is allowed, is not ended for
// it; those are who have the memory and do not move.
func TestWaitIsNotJudged(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 3, nil)
		honest := r.join(v)
		first, p := publish(v, "t", string(make([]byte, 6000))), largePublish(v)
		honest.dev.send(first[:3000])
		synctest.Wait()
		var slow []*scene
		for range 12 { // 2 KB/s: too fast to be ended
			s := r.join(v)
			s.dev.send(halfPublish(v))
			slow = append(slow, s)
		}
		synctest.Wait()
		honest.dev.send(first[3000:], p[:30000])
		honest.br.expect(first)
		for at := 30000; at < len(p); at += 2000 {
			time.Sleep(time.Second)
			for _, s := range slow {
				s.dev.send(p[at:min(at+2000, len(p))])
			}
		}
		honest.dev.send(p[30000:])
		honest.br.expect(p)
		for _, s := range slow {
			s.br.expect(p)
		}
		if n := r.endedFor("memory-short"); n > 0 {
			t.Errorf("%d were ended", n)
		}
	})
}

// TestPingsAreNotTheBrokers: the pings that the bridge sends to a device do not begin the time anew in which the broker has to go on with
// its packet.
func TestPingsAreNotTheBrokers(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.PacketTimeout, l.PingInterval = time.Minute, 10*time.Second }), v: v}
		s.onlineForEver()
		began := time.Now()
		s.br.send(publish(v, "t", "0123456789")[:5])
		s.within(began, time.Minute, time.Minute+late, "broker-packet-timeout")
	})
}

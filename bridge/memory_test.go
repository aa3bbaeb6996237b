package bridge_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// largePublish needs the largest buffer.
func largePublish(v mqttio.Version) []byte { return publish(v, "t", string(make([]byte, 60000))) }

func halfPublish(v mqttio.Version) []byte { return largePublish(v)[:30000] }

// halfConnect is a CONNECT of 4 KiB but for its last bytes.
func halfConnect() []byte { return append(hx("10 8020 0004'MQTT' 04 02 0000"), make([]byte, 2000)...) }

// memoryRig is a bridge with memory for the packets of so many devices.
func memoryRig(t *testing.T, packets int, change func(*bridge.Options)) *rig {
	opts := bridge.Options{Limits: plenty()}
	opts.Limits.ConnectTimeout = time.Hour
	opts.Memory.Packets = int64(packets) * (66 << 10) / 3 * 4 // three quarters are for devices that were accepted
	if change != nil {
		change(&opts)
	}
	return newRigWith(t, opts)
}

// join brings a further device online, without a keep alive.
func (r *rig) join(v mqttio.Version) *scene {
	s := &scene{rig: r, v: v}
	s.onlineForEver()
	synctest.Wait()
	return s
}

// served sends a packet that is small and sees that the broker gets it.
func (s *scene) served() {
	s.t.Helper()
	p := publish(s.v, "t", "small")
	s.dev.send(p)
	s.br.expect(p)
	s.br.send(p)
	s.dev.expect(p)
}

// endedFor returns how many sessions have ended for a reason, and fails the test if others have for another.
func (r *rig) endedFor(reason string) (n int) {
	r.t.Helper()
	for name, count := range r.counted() {
		if name != "session_ends_total{"+reason+"}" && name != "refusals_total{"+reason+"}" {
			r.t.Errorf("%v are counted as %s", count, name)
			continue
		}
		n += int(count)
	}
	return n
}

// TestMemoryIsWaitedFor: what devices hold of packets stays below the limit. Who gets none is not read from, and goes on when others
// have given some back; nobody is ended who moves.
func TestMemoryIsWaitedFor(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 5, nil)
		small := r.join(v)
		var slow []*scene
		for range 12 {
			s := r.join(v)
			s.dev.send(halfPublish(v))
			slow = append(slow, s)
		}
		synctest.Wait()
		if used, limit := r.single("packet_memory_bytes"), r.single("packet_memory_limit_bytes"); used == 0 || used > limit {
			t.Errorf("%v bytes of %v are held", used, limit)
		}
		if n := r.single("packet_memory_waiting"); n != 7 {
			t.Errorf("%v devices wait, want 7", n)
		}
		small.served()
		rest := largePublish(v)[30000:]
		for at := 0; at < len(rest); at += 5000 { // 40 kbit/s
			time.Sleep(time.Second)
			for _, s := range slow {
				s.dev.send(rest[at:min(at+5000, len(rest))])
			}
		}
		for _, s := range slow {
			s.br.expect(largePublish(v))
			s.served()
		}
		synctest.Wait()
		if held, n := r.single("packet_memory_bytes"), r.single("packet_memory_waiting"); held != 0 || n != 0 || len(r.counted()) > 0 {
			t.Errorf("%v bytes are held and %v devices wait; ended: %v", held, n, r.counted())
		}
	})
}

// TestMemoryIsTakenBack: devices that hold packets and do not go on with them end when others wait for what they hold, and those who go on,
// slowly, do not.
func TestMemoryIsTakenBack(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 5, nil)
		slow, other := r.join(v), r.join(v)
		slow.dev.send(halfPublish(v))
		for range 4 {
			r.join(v).dev.send(halfPublish(v))
		}
		synctest.Wait()
		other.dev.send(largePublish(v)[:59000])
		began := time.Now()
		for at := 30000; at < 40000; at += 1000 {
			time.Sleep(time.Second)
			slow.dev.send(largePublish(v)[at : at+1000])
		}
		other.dev.send(largePublish(v)[59000:])
		other.br.expect(largePublish(v))
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("the honest device waited for %v", took)
		}
		slow.dev.send(largePublish(v)[40000:])
		slow.br.expect(largePublish(v))
		time.Sleep(5 * time.Second)
		if n := r.endedFor("memory-short"); n < 1 || n > 4 {
			t.Errorf("%d sessions were ended, want some of the 4 that hold a packet and do not move", n)
		}
		slow.served()
		other.served()
	})
}

// TestMemoryOfDrips: a byte now and then is too little for who holds what others wait for.
func TestMemoryOfDrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V311
		r := memoryRig(t, 3, nil)
		other := r.join(v)
		var drips []*scene
		for range 3 {
			s := r.join(v)
			s.dev.send(halfPublish(v))
			drips = append(drips, s)
		}
		synctest.Wait()
		other.dev.send(largePublish(v))
		for range 90 {
			time.Sleep(time.Second)
			for _, s := range drips {
				_, _ = s.dev.nc.Write(wsframes.Masked(0x82, []byte{0})) // it may have been ended
			}
		}
		other.br.expect(largePublish(v))
		if n := r.endedFor("memory-short"); n == 0 {
			t.Error("nobody was ended")
		}
	})
}

// TestMemoryDown: what brokers begin to send is counted as well, and so is what devices do not read.
func TestMemoryDown(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 6, nil)
		small := r.join(v)
		for i := range 12 {
			s := r.join(v)
			if i%2 == 0 {
				s.br.send(halfPublish(v))
				continue
			}
			s.br.send(largePublish(v), largePublish(v), largePublish(v), largePublish(v), largePublish(v)[:15000])
		}
		for range 3 {
			synctest.Wait()
			if used, limit := r.single("packet_memory_bytes"), r.single("packet_memory_limit_bytes"); used == 0 || used > limit {
				t.Errorf("%v bytes of %v are held", used, limit)
			}
			small.served()
			time.Sleep(time.Second)
		}
	})
}

// TestMemoryBeforeConnack: devices that no broker has accepted have a part of their own, and those who have proved themselves theirs.
func TestMemoryBeforeConnack(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 5, nil)
		var silent []*scene
		for range 200 {
			s := &scene{rig: r, v: v}
			s.upgrade()
			s.dev.send(halfConnect())
			silent = append(silent, s)
		}
		synctest.Wait()
		if used, limit := r.single("packet_memory_bytes"), r.single("packet_memory_limit_bytes"); used == 0 || used > limit/4 {
			t.Errorf("%v bytes of %v are held before CONNECT", used, limit)
		}
		proven := r.join(v)
		proven.dev.send(largePublish(v))
		proven.br.expect(largePublish(v))
		time.Sleep(10 * time.Second) // with the goodbyes
		if n := r.endedFor("memory-short"); n == 0 || n == len(silent) {
			t.Errorf("%d of %d devices that hold a CONNECT were ended", n, len(silent))
		}
	})
}

// TestMemoryOfTheSilent: devices that say no CONNECT have a part of what sessions have in any case. The eldest go first, and who has
// come online stays.
func TestMemoryOfTheSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v, most = mqttio.V311, 10
		r := memoryRig(t, 5, func(o *bridge.Options) { o.Memory.Sessions = 4 * most * bridge.CostPlain })
		online := r.join(v)
		var silent []*device
		for range 3 * most {
			silent = append(silent, r.open())
			time.Sleep(time.Millisecond)
		}
		time.Sleep(10 * time.Second) // with the goodbyes
		if n := r.endedFor("memory-short"); n != 2*most {
			t.Errorf("%d sessions without CONNECT were ended, want %d", n, 2*most)
		}
		last := &scene{rig: r, v: v, dev: silent[len(silent)-1]}
		last.dev.send(last.connect())
		last.br = r.broker()
		last.br.expect(last.connect())
		online.served()
	})
}

// TestPacketTimeout: the time is that without a byte, not that of the packet, and a device that waits between packets has all of its keep
// alive.
func TestPacketTimeout(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, packetsIn(time.Minute)), v: v}
		s.onlineForEver()
		p := publish(v, "t", "0123456789")
		for i := range p {
			s.dev.send(p[i : i+1])
			time.Sleep(55 * time.Second)
		}
		s.br.expect(p)
		time.Sleep(time.Hour)
		s.served()
		began := time.Now()
		s.dev.send(p[:5])
		s.within(began, time.Minute, time.Minute+late, "packet-timeout")
	})
}

// TestOwnPacketsAreCounted: what the bridge keeps for a device is counted too: answers that wait for CONNACK.
func TestOwnPacketsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const v = mqttio.V5
		r := memoryRig(t, 5, nil)
		r.pass = bridge.Pass{Policy: &policyFake{}}
		s := &scene{rig: r, v: v}
		s.dialled()
		var forbidden [][]byte
		for i := range 300 {
			forbidden = append(forbidden, publishOf(v, 0x32, "no", uint16(i+1), "", ""))
		}
		s.dev.send(bytes.Join(forbidden, nil))
		synctest.Wait()
		if n := r.single("packet_memory_bytes"); n < 300*4 {
			t.Errorf("%v bytes are counted for 300 answers", n)
		}
		s.br.send(connack(v))
		_ = s.dev.nc.Close()
		_, _ = s.br.rest()
		r.settled()
		if n := r.single("packet_memory_bytes"); n != 0 {
			t.Errorf("%v bytes are counted for nobody", n)
		}
	})
}

// TestMemoryOfTheBusy: a device that sends without a pause, so that there is always a part of its next packet, moves what it holds and is
// not ended for others who wait.
func TestMemoryOfTheBusy(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		r := memoryRig(t, 5, nil)
		busy, other := r.join(v), r.join(v)
		p := largePublish(v)
		busy.dev.send(p[:30000])
		on := func() {
			time.Sleep(time.Second)
			busy.dev.send(p[30000:], p[:30000])
			busy.br.expect(p)
			synctest.Wait()
		}
		for range 120 {
			on()
		}
		for range 4 {
			r.join(v).dev.send(halfPublish(v))
		}
		synctest.Wait()
		other.dev.send(p)
		for range 20 {
			on()
		}
		other.br.expect(p)
		if n := r.endedFor("memory-short"); n < 1 || n > 4 {
			t.Errorf("%d sessions were ended, want some of the 4 that hold a packet and do not move", n)
		}
		busy.dev.send(p[30000:])
		busy.br.expect(p)
		busy.served()
	})
}

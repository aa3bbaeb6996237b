package bridge_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/quota"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// share gives the devices that connect from then on a share in a book: each its own, of one identity and address.
func (s *scene) share(b *quota.Book) {
	s.t.Helper()
	mine, why := b.Enter("192.0.2.1", "me")
	if why != nil {
		s.t.Fatal(why)
	}
	s.pass.Quota = mine
}

// limited is a device within these quotas, online.
func limited(t testing.TB, v mqttio.Version, o quota.Options) *scene {
	s := &scene{rig: newRig(t, nil), v: v}
	s.share(quota.New(o))
	s.online()
	return s
}

func perSession(up, down quota.Rates) quota.Options {
	return quota.Options{Session: quota.Limits{Up: up, Down: down}, Burst: time.Second}
}

// numbered are n messages, one behind the other.
func numbered(v mqttio.Version, n int) []byte {
	var all []byte
	for i := range n {
		all = append(all, publish(v, "t", fmt.Sprintf("message %03d", i))...)
	}
	return all
}

// took fails the test unless it is now so long after began, in the time of the bubble.
func took(t testing.TB, began time.Time, least, most time.Duration) {
	t.Helper()
	if d := time.Since(began); d < least || d > most {
		t.Errorf("took %v, want %v to %v", d, least, most)
	}
}

// least is how long 100 messages take at a tenth of them in a second: a second's worth comes at once, and of bytes what one read
// brings too.
func least(r quota.Rates) time.Duration {
	if r.Messages == 0 {
		return 5 * time.Second
	}
	return 8 * time.Second
}

// TestQuotaUp: what is above the messages or bytes in a second waits in front of the bridge, and none is lost or changes its
// registration. A device beside it notices nothing.
func TestQuotaUp(t *testing.T) {
	all := len(numbered(mqttio.V311, 100))
	for name, up := range map[string]quota.Rates{"messages": {Messages: 10}, "bytes": {Bytes: all / 10}, "both": {Messages: 10, Bytes: all}} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				s := limited(t, v, perSession(up, quota.Rates{}))
				innocent := &scene{rig: s.rig, v: v}
				s.pass.Quota = nil
				innocent.online()
				want := numbered(v, 100)
				began := time.Now()
				s.dev.send(want, hx("C000"))
				innocent.dev.send(want)
				innocent.br.expect(want)
				took(t, began, 0, 0)
				s.br.expect(append(want, 0xC0, 0))
				took(t, began, least(up), 11*time.Second)
				if n := s.packets("quota_exceeded_total", "up", ""); n < 1 {
					t.Errorf("counted %v", n)
				}
				s.dev.send(hx("E000"))
				_, _ = s.br.rest()
				_ = s.dev.rest()
				innocent.dev.nc.Close()
				s.settled()
				line := s.log.ends(t)[0]
				if up, ok := line["up"].(map[string]any); !ok || up["throttled"] == nil {
					t.Errorf("the log does not tell: %v", line)
				}
			})
		})
	}
}

// TestQuotaDown: the same for what the broker sends.
func TestQuotaDown(t *testing.T) {
	all := len(numbered(mqttio.V311, 100))
	for name, down := range map[string]quota.Rates{"messages": {Messages: 10}, "bytes": {Bytes: all / 10}} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				s := limited(t, v, perSession(quota.Rates{}, down))
				want := numbered(v, 100)
				began := time.Now()
				s.br.send(want)
				s.dev.send(hx("C000"))
				s.br.expect(hx("C000"))
				took(t, began, 0, 0)
				s.dev.expect(want)
				took(t, began, least(down), 11*time.Second)
			})
		})
	}
}

// TestQuotaLongPacket: a packet that is passed on in parts is counted part by part.
func TestQuotaLongPacket(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := limited(t, v, perSession(quota.Rates{Bytes: 20_000}, quota.Rates{Bytes: 20_000}))
		long := publish(v, "t", strings.Repeat("x", 200_000))
		began := time.Now()
		s.dev.send(long)
		s.br.send(long)
		s.dev.expect(long)
		s.br.expect(long)
		took(t, began, 4*time.Second, 11*time.Second) // the last part is not waited for
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000"))
		took(t, began, 8*time.Second, 11*time.Second)
	})
}

// TestQuotaIsNoSilence: a device that the bridge holds back for longer than its keep alive is not silent. Its pings arrive behind its
// messages, and once it really is silent it is given up in its time.
func TestQuotaIsNoSilence(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		s.share(quota.New(quota.Options{Session: quota.Limits{Up: quota.Rates{Bytes: 1000}}, Burst: time.Second}))
		s.onlineWith(10)
		big := publish(v, "t", strings.Repeat("x", 60_000))
		s.dev.send(big, hx("C000"))
		s.br.expect(big)
		began := time.Now()
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000 C000"))
		took(t, began, 0, time.Minute)
		time.Sleep(12 * time.Second)
		if s.ends() != 0 {
			t.Fatalf("ended: %v", s.log.ends(t))
		}
		s.within(time.Now(), 0, 70*time.Second, "keepalive-timeout")
	})
}

// TestQuotaThenSilence: the silence begins when the device could be heard again.
func TestQuotaThenSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.share(quota.New(perSession(quota.Rates{Bytes: 1000}, quota.Rates{})))
		s.onlineWith(10)
		s.dev.send(publish(s.v, "t", strings.Repeat("x", 60_000)))
		const throttled = 59 * time.Second
		s.within(time.Now(), throttled+15*time.Second, throttled+15*time.Second+late+goodbye, "keepalive-timeout")
	})
}

func (s *scene) ends() int { return len(s.log.ends(s.t)) }

// TestQuotaDoesNotDelayTheEnd: a session that is throttled both ways ends at once when it has to.
func TestQuotaDoesNotDelayTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := quota.Rates{Messages: 1}
		s := limited(t, mqttio.V5, perSession(slow, slow))
		s.dev.send(numbered(s.v, 100))
		s.br.send(numbered(s.v, 100))
		synctest.Wait()
		began := time.Now()
		s.drain()
		s.settled()
		took(t, began, 0, 3*time.Second)
	})
}

// TestQuotaIsShared: sessions of one identity, of one address and all together share in one rate.
func TestQuotaIsShared(t *testing.T) {
	rates := quota.Limits{Up: quota.Rates{Messages: 10}}
	for name, o := range map[string]quota.Options{
		"session": {Session: rates}, "identity": {Identity: rates}, "address": {Address: rates}, "total": {Total: rates},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o.Burst = time.Second
				book := quota.New(o)
				one := &scene{rig: newRig(t, nil), v: mqttio.V311}
				one.share(book)
				one.online()
				two := &scene{rig: one.rig, v: mqttio.V311}
				two.share(book)
				two.online()
				want := numbered(one.v, 100)
				began := time.Now()
				one.dev.send(want)
				two.dev.send(want)
				one.br.expect(want)
				two.br.expect(want)
				least := 18 * time.Second
				if name == "session" {
					least = 8 * time.Second
				}
				took(t, began, least, least+3*time.Second)
			})
		})
	}
}

// TestQuotaCountsWhatIsForbidden: messages that a policy drops cost as much as others.
func TestQuotaCountsWhatIsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		s.share(quota.New(perSession(quota.Rates{Messages: 10}, quota.Rates{})))
		s.pass.Policy = &policyFake{}
		s.online()
		began := time.Now()
		s.dev.send(bytes.Repeat(publish(s.v, "no", "x"), 100))
		synctest.Wait()
		s.dev.send(hx("C000"))
		s.br.expect(hx("C000"))
		took(t, began, 8*time.Second, 11*time.Second)
	})
}

// TestQuotaForUserName: where the handshake proves nothing, the user name that the broker accepts is the identity. It counts from
// CONNACK on, so that nobody uses up what is another's, and a device beyond it is refused before a broker hears of it.
func TestQuotaForUserName(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		book := quota.New(quota.Options{Identity: quota.Limits{Connections: 1}, Burst: time.Second})
		r := newRig(t, nil)
		join := func(user string) *scene {
			s := &scene{rig: r, v: v}
			share, _ := book.Enter("192.0.2.1", "")
			s.pass.Quota = share
			s.upgrade()
			s.dev.send(connectAs(v, user))
			return s
		}
		dialled := func(user string) *scene {
			s := join(user)
			s.br = s.broker()
			s.br.expect(connectAs(v, user))
			return s
		}
		stranger := dialled("a")
		owner, second, other := dialled("a"), dialled("a"), dialled("b")
		owner.br.send(connack(v))
		owner.dev.expect(connack(v))
		other.br.send(connack(v))
		other.dev.expect(connack(v))
		why := reason.IdentityConnections.String()
		second.br.send(connack(v)) // it was dialled before the owner was accepted
		if h := second.dev.rest(); !bytes.Equal(h.packets, refusalPackets(v, 3, 0x97, why)) || h.code != 1008 {
			t.Errorf("the second device hears %v", h)
		}
		if said, _ := second.br.rest(); !bytes.Equal(said, hx("E000")) { // else the will of a device that never was there would fire
			t.Errorf("the broker of the second device hears % X", said)
		}
		late := join("a")
		if h := late.dev.rest(); !bytes.Equal(h.packets, refusalPackets(v, 3, 0x97, why)) || h.code != 1008 {
			t.Errorf("a late device hears %v", h)
		}
		late.undialled()
		stranger.br.nc.Close()
		_ = stranger.dev.rest()
		owner.dev.send(hx("E000"))
		_ = owner.dev.rest()
		_, _ = owner.br.rest()
		synctest.Wait()
		again := dialled("a")
		again.br.send(connack(v))
		again.dev.expect(connack(v))
	})
}

// connectAs makes a CONNECT with a user name.
func connectAs(v mqttio.Version, user string) []byte {
	plain := connect(v, "c", 60)
	at := bytes.Index(plain, []byte{byte(v), 2}) + 1
	plain[at] |= 0x80
	return packet(0x10, plain[2:], text(user))
}

// TestRefusedCountsForNothing: a device that is refused after the upgrade may take its time to go. Its identity and address can be back
// meanwhile.
func TestRefusedCountsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, func(l *bridge.Limits) { l.Sessions = 0 }), v: mqttio.V311}
		s.lax.Store(true)
		one := quota.Limits{Connections: 1}
		book := quota.New(quota.Options{Identity: one, Address: one, AddressBits: 64})
		s.share(book)
		s.upgrade() // and neither says CONNECT nor goes
		synctest.Wait()
		again, why := book.Enter("192.0.2.1", "me")
		if why != nil {
			t.Errorf("the identity is refused for one that was: %v", why)
		}
		_ = s.dev.rest()
		s.settled()
		if _, why := book.Enter("192.0.2.1", "me"); why == nil {
			t.Error("the end of the refused session has taken another one off")
		}
		again.Leave()
	})
}

// TestQuotaIsReplacedWhileItWaits: a session that is throttled goes on by the new limits at once.
func TestQuotaIsReplacedWhileItWaits(t *testing.T) {
	for name, o := range map[string]quota.Options{
		"raised":  perSession(quota.Rates{Messages: 1000}, quota.Rates{}),
		"removed": {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &scene{rig: newRig(t, nil), v: mqttio.V5}
				book := quota.New(perSession(quota.Rates{Messages: 1}, quota.Rates{}))
				s.share(book)
				s.online()
				want := numbered(s.v, 100)
				began := time.Now()
				s.dev.send(want)
				time.Sleep(2 * time.Second)
				book.Replace(o)
				s.br.expect(want)
				took(t, began, 2*time.Second, 3*time.Second)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // lowered
		s := &scene{rig: newRig(t, nil), v: mqttio.V5}
		book := quota.New(perSession(quota.Rates{Messages: 1000}, quota.Rates{}))
		s.share(book)
		s.online()
		book.Replace(perSession(quota.Rates{Messages: 10}, quota.Rates{}))
		want := numbered(s.v, 100)
		began := time.Now()
		s.dev.send(want)
		s.br.expect(want)
		took(t, began, 8*time.Second, 11*time.Second)
	})
}

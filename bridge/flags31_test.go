package bridge_test

import (
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/mqttio"
)

// TestFlagsOf31: the flags that MQTT 3.1 calls unused (section 2.1) do not end a session, and reach the other end as later versions want
// them. A packet cut by reads is no exception, nor is CONNECT.
func TestFlagsOf31(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V31}
		s.upgrade()
		hello := s.connect()
		s.dev.send(append([]byte{0x1E}, hello[1:]...))
		s.br = s.broker()
		s.br.expect(hello)
		s.br.send(hx("2F02 0000"))
		s.dev.expect(hx("2002 0000"))
		s.exchange("up", hx("C200 42020001 53020002 6F020003 75020004 8006 0001 0001'a' 01 A905 0002 0001'a' 3803 0001't' 3A05 0001't' 0001"),
			hx("C000 40020001 50020002 62020003 70020004 8206 0001 0001'a' 01 A205 0002 0001'a' 3003 0001't' 3A05 0001't' 0001"), nil)
		s.br.send(hx("9203 0001 01 B102 0002 4202 0001 DD00 3803 0001't' 3C05 0001't' 0001"))
		s.dev.expect(hx("9003 0001 01 B002 0002 4002 0001 D000 3003 0001't' 3C05 0001't' 0001"))
		for _, c := range hx("8306 0003 0001'b' 00") {
			s.dev.send([]byte{c})
			synctest.Wait()
		}
		s.br.expect(hx("8206 0003 0001'b' 00"))
		s.dev.send(hx("EF00"))
		s.check(ended{reason: "device-disconnect", code: 1000, saw: hx("E000"), level: "INFO", metric: "session_ends_total"})
	})
}

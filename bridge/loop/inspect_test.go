//go:build linux

package loop_test

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/mqttio"
)

// slowPolicy forbids all filters, and those that begin with "slow" only when it is let go on.
type slowPolicy struct {
	asked chan struct{}
	goOn  chan struct{}
	once  sync.Once
}

func newSlowPolicy(t testing.TB) *slowPolicy {
	p := &slowPolicy{asked: make(chan struct{}, 1), goOn: make(chan struct{})}
	t.Cleanup(p.letGo)
	return p
}

func (p *slowPolicy) letGo() { p.once.Do(func() { close(p.goOn) }) }

func (*slowPolicy) Connect([]byte, *mqttio.Connect) (police.Terms, error) {
	return police.Terms{ReceivesAll: true}, nil
}
func (*slowPolicy) MayPublish([]byte) bool { return true }
func (*slowPolicy) MayReceive([]byte) bool { return true }

func (p *slowPolicy) MaySubscribe(filter []byte) bool {
	if bytes.HasPrefix(filter, []byte("slow")) {
		select {
		case p.asked <- struct{}{}:
		default:
		}
		<-p.goOn
	}
	return false
}

// subscribeTo is a SUBSCRIBE to n times the same filter of four bytes, and the SUBACK that refuses it.
func subscribeTo(filter string, n int) (packet, suback []byte) {
	entry := append(append([]byte{0, 4}, filter...), 0)
	packet = append(binary.AppendUvarint([]byte{0x82}, uint64(2+7*n)), 0, 1)
	packet = append(packet, bytes.Repeat(entry, n)...)
	suback = append(binary.AppendUvarint([]byte{0x90}, uint64(2+n)), 0, 1)
	return packet, append(suback, bytes.Repeat([]byte{0x80}, n)...)
}

// TestLongInspection: while the topic filters of one device are looked at, and others wait for that, the devices of the same loop are
// served, those with few filters too.
func TestLongInspection(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.scene(t, nil)
		policy := newSlowPolicy(t)
		s.pass.Store(&bridge.Pass{Policy: policy})
		innocent := s.online(0)
		var attackers []*device
		for range 3 {
			attackers = append(attackers, s.online(0))
		}
		long, refused := subscribeTo("slow", 1000)
		for _, d := range attackers {
			d.send(long)
		}
		<-policy.asked
		few, answer := subscribeTo("fast", 20)
		for range 50 {
			innocent.send(pingreq)
			innocent.brokerGets(pingreq)
			innocent.brokerSays(pingresp)
			innocent.gets(pingresp)
			innocent.send(few)
			innocent.gets(answer)
		}
		policy.letGo()
		for _, d := range attackers {
			d.gets(refused)
			for range 40 {
				d.send(pingreq)
				d.brokerGets(pingreq)
			}
		}
		s.served()
	})
}

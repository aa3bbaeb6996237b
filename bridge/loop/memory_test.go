//go:build linux

package loop_test

import (
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// allPolicy allows everything, and has each packet counted twice.
type allPolicy struct{}

func (allPolicy) Connect([]byte, *mqttio.Connect) (police.Terms, error) { return police.Terms{}, nil }
func (allPolicy) MayPublish([]byte) bool                                { return true }
func (allPolicy) MaySubscribe([]byte) bool                              { return true }
func (allPolicy) MayReceive([]byte) bool                                { return true }

// briefQuota throttles now and then.
type briefQuota struct{ n atomic.Int64 }

func (*briefQuota) Connect([]byte) *reason.Reason { return nil }
func (*briefQuota) Accepted() *reason.Reason      { return nil }
func (*briefQuota) Leave()                        {}
func (*briefQuota) Changed() <-chan struct{}      { return nil }
func (*briefQuota) Again(mqttio.Direction) (time.Duration, int) {
	return 0, 0
}
func (q *briefQuota) Use(mqttio.Direction, int, int) (time.Duration, int) {
	if q.n.Add(1)%50 == 0 {
		return 3 * time.Millisecond, 0
	}
	return 0, 0
}

// TestMemoryUnderStress: where memory is for few packets, with policy and quota, beside devices and brokers that hold half packets back or do
// not read, all that honest ones say arrives, and nobody waits for ever.
func TestMemoryUnderStress(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		s := k.sceneWith(t, bridge.MemoryLimits{Packets: 1200 << 10}, func(l *bridge.Limits) { l.PingInterval = 20 * time.Millisecond })
		s.pass.Store(&bridge.Pass{Policy: allPolicy{}, Quota: new(briefQuota)})
		until := time.Now().Add(3 * time.Second)
		var honest sync.WaitGroup
		for i := range 6 {
			d := s.raw()
			honest.Go(func() { bothWays(t, d, int64(i*10), until) })
		}
		r := rand.New(rand.NewSource(5))
		half := publish(60000)[:30000]
		for n := 0; n < 40 && time.Now().Before(until); n++ {
			d := s.raw()
			switch r.Intn(5) {
			case 0:
				d.write(longFrame(half))
			case 1:
				_, _ = d.broker.Write(half)
			case 2:
				d.write(longFrame(half))
				d.nc.reset()
			case 3:
				_, _ = d.broker.Write(half)
				d.broker.reset()
			case 4:
				d.write(longFrame(half))
				_, _ = d.broker.Write(half)
				_ = d.broker.CloseWrite()
			}
		}
		honest.Wait()
		if t.Failed() {
			for line := range strings.Lines(s.log.String()) {
				if strings.Contains(line, "memory-short") {
					t.Log(line)
				}
			}
		}
	})
}

// longFrame is a binary frame of more than 125 bytes.
func longFrame(p []byte) []byte {
	return append([]byte{0x82, 0x80 | 126, byte(len(p) >> 8), byte(len(p)), 0, 0, 0, 0}, p...)
}

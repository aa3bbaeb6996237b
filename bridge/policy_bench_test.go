package bridge_test

import (
	"bytes"
	"io"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/mqttio"
)

// openPolicy allows everything, below the mount that it is.
type openPolicy string

func (p openPolicy) Connect([]byte, *mqttio.Connect) (bridge.Terms, error) {
	return bridge.Terms{Mount: mqttio.Mount(p)}, nil
}
func (openPolicy) MayPublish([]byte) bool   { return true }
func (openPolicy) MaySubscribe([]byte) bool { return true }
func (openPolicy) MayReceive([]byte) bool   { return true }

// BenchmarkPolicy moves 64 messages of 128 bytes up in one frame: without a policy, with one that allows all, and with one that moves all below a mount. What the policy
// itself takes to decide comes on top: see package topic.
func BenchmarkPolicy(b *testing.B) {
	for name, pass := range map[string]bridge.Pass{"none": {}, "asked": {Policy: openPolicy("")}, "mount": {Policy: openPolicy("tenants/acme/")}} {
		b.Run(name, func(b *testing.B) {
			s := &scene{rig: newRig(b, nil), v: mqttio.V311}
			s.pass = pass
			s.dialled()
			s.br.send(connack(s.v))
			s.dev.expect(connack(s.v))
			batch := bytes.Repeat(publish(s.v, "site/plant/line/3/dev/d-100/up/temp", string(make([]byte, 89))), 64)
			size := len(batch)
			if name == "mount" {
				size += 64 * len("tenants/acme/")
			}
			wire, got := frame(0x82, batch), make([]byte, size)
			b.SetBytes(int64(len(batch)))
			b.ReportAllocs()
			for b.Loop() {
				s.dev.raw(wire)
				if _, err := io.ReadFull(s.br.nc, got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package bridge_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/quota"
	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/mqttio"
)

// openPolicy allows everything, below the mount that it is.
type openPolicy string

func (p openPolicy) Connect([]byte, *mqttio.Connect) (police.Terms, error) {
	return police.Terms{Mount: mqttio.Mount(p)}, nil
}
func (openPolicy) MayPublish([]byte) bool   { return true }
func (openPolicy) MaySubscribe([]byte) bool { return true }
func (openPolicy) MayReceive([]byte) bool   { return true }

// BenchmarkPolicy moves 64 messages of 128 bytes up in one frame: without a policy, with one that allows all, and with one that moves
// all below a mount. What the policy itself takes to decide comes on top: see package topic.
func BenchmarkPolicy(b *testing.B) {
	for name, policy := range map[string]police.Policy{"none": nil, "asked": openPolicy(""), "mount": openPolicy("tenants/acme/")} {
		b.Run(name, func(b *testing.B) {
			grows := 0
			if name == "mount" {
				grows = len("tenants/acme/")
			}
			moveUp(b, bridge.Pass{Policy: policy}, grows)
		})
	}
}

// BenchmarkQuota does the same without a quota, and with rates that are not reached at every level.
func BenchmarkQuota(b *testing.B) {
	rates := quota.Limits{Up: quota.Rates{Messages: 1 << 30, Bytes: 1 << 30}}
	book := quota.New(quota.Options{Session: rates, Identity: rates, Address: rates, Total: rates, Burst: time.Hour, AddressBits: 64})
	share, _ := book.Enter("192.0.2.1", "a")
	for name, pass := range map[string]bridge.Pass{"none": {}, "counted": {Quota: share}} {
		b.Run(name, func(b *testing.B) { moveUp(b, pass, 0) })
	}
}

// moveUp has each message grow by so many bytes on its way.
func moveUp(b *testing.B, pass bridge.Pass, grows int) {
	s := &scene{rig: newRig(b, nil), v: mqttio.V311}
	s.pass = pass
	s.dialled()
	s.br.send(connack(s.v))
	s.dev.expect(connack(s.v))
	batch := bytes.Repeat(publish(s.v, "site/plant/line/3/dev/d-100/up/temp", string(make([]byte, 89))), 64)
	wire, got := wsframes.Masked(0x82, batch), make([]byte, len(batch)+64*grows)
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		s.dev.raw(wire)
		if _, err := io.ReadFull(s.br.nc, got); err != nil {
			b.Fatal(err)
		}
	}
}

package mqttio_test

import (
	"bytes"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// publish128 is a PUBLISH QoS 0 with a topic of 20 bytes and a payload of 128.
func publish128(v mqttio.Version) []byte {
	body := append([]byte{0, 20}, "devices/1234/sensors"...)
	if v == mqttio.V5 {
		body = append(body, 0)
	}
	body = append(body, bytes.Repeat([]byte{'x'}, 128)...)
	return append([]byte{0x30, byte(len(body)&0x7f | 0x80), byte(len(body) >> 7)}, body...)
}

func BenchmarkParseHeader(b *testing.B) {
	for _, bb := range []struct {
		name string
		pkt  []byte
	}{{"1", []byte{0x30, 100}}, {"2", []byte{0x30, 0x80, 1}}, {"4", []byte{0x30, 0x80, 0x80, 0x80, 1}}} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mqttio.ParseHeader(bb.pkt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCheckPublish(b *testing.B) {
	withProperties := publish128(mqttio.V5)
	block := []byte{17, 1, 1, 2, 0, 0, 0, 60, 38, 0, 1, 'k', 0, 4, 'v', 'a', 'l', '1'}
	withProperties = bytes.Replace(withProperties, []byte("sensors\x00"), append([]byte("sensors"), block...), 1)
	withProperties[1] += byte(len(block) - 1)
	for _, bb := range []struct {
		name string
		pkt  []byte
		v    mqttio.Version
		d    mqttio.Direction
	}{
		{"3.1.1/up", publish128(mqttio.V311), mqttio.V311, mqttio.Up},
		{"3.1.1/down", publish128(mqttio.V311), mqttio.V311, mqttio.Down},
		{"5/up", publish128(mqttio.V5), mqttio.V5, mqttio.Up},
		{"5/up three properties", withProperties, mqttio.V5, mqttio.Up},
		{"5/down", publish128(mqttio.V5), mqttio.V5, mqttio.Down},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.pkt)))
			for b.Loop() {
				h, err := mqttio.ParseHeader(bb.pkt)
				if err == nil {
					err = mqttio.Check(h, bb.pkt, bb.v, bb.d)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNext is the cost of a PUBLISH of 128 bytes in a stream.
func BenchmarkNext(b *testing.B) {
	for _, d := range []mqttio.Direction{mqttio.Up, mqttio.Down} {
		for _, v := range []mqttio.Version{mqttio.V311, mqttio.V5} {
			b.Run(d.String()+"/"+v.String(), func(b *testing.B) {
				wire := bytes.Repeat(publish128(v), 90)
				s := mqttio.Stream{Direction: d, Version: v, Limit: mqttio.MaxPacketSize}
				defer s.Close()
				r := bytes.NewReader(nil)
				b.ReportAllocs()
				for b.Loop() {
					_, err := s.Next()
					if err != nil {
						s.Done()
						if r.Len() == 0 {
							r.Reset(wire)
						}
						if _, err := s.Fill(r); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func BenchmarkParsePublish(b *testing.B) {
	pkt := publish128(mqttio.V5)
	h, _ := mqttio.ParseHeader(pkt)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mqttio.ParsePublish(h, pkt, mqttio.V5); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckPublishHead(b *testing.B) {
	pkt := publish128(mqttio.V311)
	h, _ := mqttio.ParseHeader(pkt)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := mqttio.CheckPublishHead(h, pkt, mqttio.V311, mqttio.Up); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseConnect(b *testing.B) {
	for _, bb := range []struct{ name, pkt string }{
		{"3.1.1", "\x10\x28\x00\x04MQTT\x04\xc2\x00\x3c\x00\x0bdevice-1234\x00\x04user\x00\x09passwordx"},
		{"5", "\x10\x2e\x00\x04MQTT\x05\xc2\x00\x3c\x05\x11\x00\x00\x0e\x10\x00\x0bdevice-1234\x00\x04user\x00\x09passwordx"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			pkt := []byte(bb.pkt)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := mqttio.ParseConnect(pkt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

//go:build linux

package loop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/access/topic"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/mqttio"
)

// rulesPolicy asks a list of rules.
type rulesPolicy struct{ *topic.Set }

func (rulesPolicy) Connect([]byte, *mqttio.Connect) (police.Terms, error) {
	return police.Terms{ReceivesAll: true}, nil
}

// lineRules is a list of n rules.
func lineRules(b *testing.B, n int) police.Policy {
	b.Helper()
	rule := topic.Rule{Publish: true, Subscribe: true, Filters: []string{"ok"}}
	for i := range n - 1 {
		rule.Filters = append(rule.Filters, fmt.Sprintf("plant/line-%d/#", i))
	}
	compiled, err := topic.Compile([]topic.Rule{rule})
	if err != nil {
		b.Fatal(err)
	}
	set, err := compiled.Bind(func(string) string { return "" })
	if err != nil {
		b.Fatal(err)
	}
	return rulesPolicy{set}
}

// BenchmarkHostile is what a MiB of packets that are made to cost much costs, in processor time of bridge, device and broker together. Packets
// that pass as they are stand beside them.
func BenchmarkHostile(b *testing.B) {
	const size = 60 << 10
	request := func(first byte, entry string) []byte {
		n := size / len(entry)
		p := append(binary.AppendUvarint([]byte{first}, uint64(2+n*len(entry))), 0, 1)
		return append(p, bytes.Repeat([]byte(entry), n)...)
	}
	for _, bench := range []struct {
		name  string
		rules int
		send  []byte
	}{
		{"publish", 1, bytes.Repeat(append([]byte{0x30, 104, 0, 2, 'o', 'k'}, make([]byte, 100)...), size/106)},
		{"pings", 1, bytes.Repeat(pingreq, size/2)},
		{"publish-denied", 1, bytes.Repeat([]byte{0x30, 3, 0, 1, 'x'}, size/5)},
		{"publish-denied-qos1", 1, bytes.Repeat([]byte{0x32, 5, 0, 1, 'x', 0, 1}, size/7)},
		{"publish-half-denied", 1, bytes.Repeat([]byte{0x30, 3, 0, 1, 'x', 0x30, 4, 0, 2, 'o', 'k'}, size/11)},
		{"publish-denied-4000", 4000, bytes.Repeat([]byte{0x30, 10, 0, 8, 'p', 'l', 'a', 'n', 't', '/', 'x', 'y'}, size/12)},
		{"subscribe", 1, request(0x82, "\x00\x05x/y/z\x00")},
		{"subscribe-1000", 1000, request(0x82, "\x00\x05x/y/z\x00")},
		{"subscribe-4000", 4000, request(0x82, "\x00\x05x/y/z\x00")},
		{"subscribe-plus-4000", 4000, request(0x82, "\x00\x07plant/+\x00")},
		{"unsubscribe", 4000, request(0xA2, "\x00\x01x")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := kind{}.scene(b, nil)
			s.pass.Store(&bridge.Pass{Policy: lineRules(b, bench.rules)})
			d := s.online(0)
			go d.ignoreAll()
			end := []byte("\x30\x06\x00\x02okEN")
			seen := make(chan struct{}, 1)
			go sawEnds(d.broker, end, seen)
			b.SetBytes(int64(len(bench.send)))
			began := processorTime()
			for b.Loop() {
				d.send(bench.send)
				d.send(end)
				<-seen
			}
			b.ReportMetric(float64(processorTime()-began)/1e6/(float64(b.N)*float64(len(bench.send))/(1<<20)), "cpu-ms/MiB")
		})
	}
}

// ignoreAll reads until the connection ends.
func (d *device) ignoreAll() {
	for {
		if _, _, err := d.ws.Read(context.Background()); err != nil {
			return
		}
	}
}

// sawEnds tells of each end in what the broker gets, until the connection ends.
func sawEnds(r io.Reader, end []byte, seen chan<- struct{}) {
	buf := make([]byte, 64<<10)
	kept := 0
	for {
		n, err := r.Read(buf[kept:])
		if err != nil {
			return
		}
		all := buf[:kept+n]
		if bytes.Contains(all, end) {
			seen <- struct{}{}
			kept = 0
			continue
		}
		kept = copy(buf, all[max(0, len(all)-len(end)+1):])
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

package frame_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

// recordConn is a device's connection with limited TLS records. It keeps what each contains.
type recordConn struct {
	endlessConn
	size    int
	records []string
	waiting bool // the last record waits for another
}

func (c *recordConn) RecordSize() int { return c.size }

func (c *recordConn) Write(p []byte) (int, error) { return c.write(p, false) }

func (c *recordConn) WriteMore(p []byte) (int, error) { return c.write(p, true) }

func (c *recordConn) write(p []byte, more bool) (int, error) {
	for part := range slices.Chunk(p, c.size) {
		c.records = append(c.records, string(part))
	}
	c.waiting = more
	return len(p), nil
}

// TestFramesInLimitedRecords: where records are limited, a frame that fits one is in one (device-quirks D2), records are as full as
// that allows, and nothing waits when the write returns.
func TestFramesInLimitedRecords(t *testing.T) {
	seeded := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		nc := &recordConn{size: []int{63, 512, 2048, 4096, 16 << 10}[seeded.IntN(5)]}
		conn := frame.NewConn(nc, nil, 1<<16)
		packets := make([]string, 1+seeded.IntN(60))
		for i := range packets {
			packets[i] = random(seeded.IntN(1 << (1 + seeded.IntN(13))))
		}
		if err := conn.WriteFrames(wsframes.Run(frame.Headroom, packets...)); err != nil {
			t.Fatal(err)
		}
		frames := wsframes.MustParse(t, []byte(strings.Join(nc.records, "")))
		var stream strings.Builder
		for _, f := range frames {
			stream.WriteString(f.Payload)
		}
		if nc.waiting || stream.String() != strings.Join(packets, "") || conn.WriteProgress()%2 != 0 {
			t.Fatalf("%d packets in records of %d bytes: waiting %t, or another stream", len(packets), nc.size, nc.waiting)
		}
		checkRecords(t, nc, frames)
	}
}

// checkRecords checks where records end.
func checkRecords(t *testing.T, nc *recordConn, frames []wsframes.Frame) {
	t.Helper()
	ends := make(map[int]bool) // in the stream
	at := 0
	for i, r := range nc.records {
		if at += len(r); len(r) > nc.size {
			t.Errorf("a record of %d bytes, the limit is %d", len(r), nc.size)
		}
		if i+1 < len(nc.records) {
			ends[at] = true
		}
	}
	if at > 0 && len(nc.records) > 2*(at/nc.size+1)+len(frames) {
		t.Errorf("%d records for %d bytes", len(nc.records), at)
	}
	at = 0
	for _, f := range frames {
		size := len(f.Payload) + 2
		if len(f.Payload) > 125 {
			size += 2
		}
		for end := at + 1; end < at+size && size <= nc.size; end++ {
			if ends[end] {
				t.Errorf("a frame of %d bytes is in two records of %d", size, nc.size)
			}
		}
		at += size
	}
}

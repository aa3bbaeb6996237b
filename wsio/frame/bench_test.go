package frame_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

var benchSizes = []int{16, 128, 1 << 10, 4 << 10, 16 << 10, 64 << 10}

func sizeName(n int) string {
	if n >= 1<<10 {
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dB", n)
}

const (
	benchBuffer = 32 << 10 // what a session reads with
	benchBurst  = 64       // frames
)

// endlessConn is a device that sends the same frames for ever, at most chunk bytes for each read, and reads everything.
type endlessConn struct {
	net.Conn
	wire  []byte
	at    int
	chunk int
}

func (c *endlessConn) Read(p []byte) (int, error) {
	if c.at == len(c.wire) {
		c.at = 0
	}
	n := copy(p, c.wire[c.at:min(c.at+c.chunk, len(c.wire))])
	c.at += n
	return n, nil
}

func (c *endlessConn) Write(p []byte) (int, error) { return len(p), nil }

func (c *endlessConn) Close() error { return nil }

func (c *endlessConn) SetDeadline(time.Time) error { return nil }

// benchWire gives a burst of frames that comes one frame for each read, or as much as fits.
func benchWire(size int, one bool) *endlessConn {
	frame := wsframes.Masked(wsframes.FIN|wsframes.Binary, random(size))
	c := &endlessConn{wire: bytes.Repeat(frame, benchBurst), chunk: len(frame)}
	if !one {
		c.chunk = len(c.wire)
	}
	return c
}

// BenchmarkRead is the cost of a frame from the device; BenchmarkReadLibrary that of github.com/coder/websocket.
func BenchmarkRead(b *testing.B) {
	eachRead(b, func(b *testing.B, nc *endlessConn, size int) {
		conn := frame.NewConn(nc, nil, 1<<16)
		p := make([]byte, benchBuffer)
		for left := 0; b.Loop(); left -= size {
			for left < size {
				n, err := conn.Read(p)
				if err != nil {
					b.Fatal(err)
				}
				left += n
			}
		}
	})
}

func BenchmarkReadLibrary(b *testing.B) {
	eachRead(b, func(b *testing.B, nc *endlessConn, _ int) {
		conn := libraryConn(b, nc)
		defer conn.CloseNow() //nolint:errcheck // there is nothing to close
		conn.SetReadLimit(-1)
		p := make([]byte, benchBuffer)
		for b.Loop() {
			_, r, err := conn.Reader(context.Background())
			for err == nil {
				_, err = r.Read(p)
			}
			if err != io.EOF {
				b.Fatal(err)
			}
		}
	})
}

func eachRead(b *testing.B, run func(*testing.B, *endlessConn, int)) {
	for _, one := range []bool{true, false} {
		name := "many_per_read/"
		if one {
			name = "one_per_read/"
		}
		for _, size := range benchSizes {
			b.Run(name+sizeName(size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				run(b, benchWire(size, one), size)
			})
		}
	}
}

// BenchmarkWrite is the cost of a frame to the device, alone and in bursts of 64; BenchmarkWriteLibrary that of the library,
// which writes each alone.
func BenchmarkWrite(b *testing.B) {
	for _, burst := range []int{1, benchBurst} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("burst_of_%d/%s", burst, sizeName(size)), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(size))
				conn := frame.NewConn(&endlessConn{}, nil, 1<<16)
				packets := make([]string, burst)
				for i := range packets {
					packets[i] = string(make([]byte, size))
				}
				buf, ends := layout(packets...)
				for i := 0; b.Loop(); i++ {
					if i%burst != 0 {
						continue // sent with the first of the burst
					}
					if err := conn.WriteFrames(buf, ends); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkWriteLibrary(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size))
			conn := libraryConn(b, &endlessConn{})
			defer conn.CloseNow() //nolint:errcheck // there is nothing to close
			p := make([]byte, size)
			for b.Loop() {
				if err := conn.Write(context.Background(), websocket.MessageBinary, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

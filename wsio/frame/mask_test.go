package frame_test

import (
	"bytes"
	"math/bits"
	"testing"

	"mqtt-ws-bridge/wsio/frame"
)

// TestUnmask compares with the definition (RFC 6455 section 5.3) for all small sizes, keys in all rotations, and with the
// destination in front of the source by any distance, which is how frames are decoded in place.
func TestUnmask(t *testing.T) {
	const mask = 0x3D21FA37
	for n := range 150 {
		payload := []byte(random(n))
		want := make([]byte, n)
		for i := range payload {
			want[i] = payload[i] ^ byte(bits.RotateLeft32(mask, -8*i))
		}
		for gap := range 40 {
			buf := append(make([]byte, gap), payload...)
			next := frame.Unmask(buf[:n], buf[gap:gap+n], mask)
			if !bytes.Equal(buf[:n], want) {
				t.Fatalf("%d bytes moved by %d: % x, want % x", n, gap, buf[:n], want)
			}
			if next != bits.RotateLeft32(mask, -8*n) {
				t.Fatalf("mask %#x after %d bytes", next, n)
			}
		}
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, size := range benchSizes {
		b.Run(sizeName(size), func(b *testing.B) {
			buf := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				frame.Unmask(buf, buf, 0x3D21FA37)
			}
		})
	}
}

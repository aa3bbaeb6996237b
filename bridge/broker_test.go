package bridge_test

import (
	"bytes"
	"io"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/memnet"
)

// broker is a scripted broker.
type broker struct {
	t  testing.TB
	nc *memnet.Conn
}

// broker waits for the next connection that the bridge makes.
func (r *rig) broker() *broker {
	r.t.Helper()
	select {
	case nc := <-r.up.brokers:
		r.t.Cleanup(func() { nc.Close() })
		return &broker{r.t, nc}
	case <-time.After(patience):
		r.t.Fatal("the bridge does not dial")
		return nil
	}
}

// undialled fails the test if the bridge has dialled.
func (r *rig) undialled() {
	r.t.Helper()
	select {
	case <-r.up.brokers:
		r.t.Fatal("the bridge has dialled")
	default:
	}
}

// expect reads exactly these bytes.
func (b *broker) expect(want []byte) {
	b.t.Helper()
	_ = b.nc.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(b.nc, got); err != nil || !bytes.Equal(got, want) {
		b.t.Fatalf("broker sees % x and %v, want % x", got[:n], err, want)
	}
}

// send writes bytes.
func (b *broker) send(packets ...[]byte) {
	b.t.Helper()
	_ = b.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := b.nc.Write(bytes.Join(packets, nil)); err != nil {
		b.t.Fatalf("broker writes: %v", err)
	}
}

// rest reads to the end and closes. The error is nil if it was a clean end.
func (b *broker) rest() ([]byte, error) {
	defer b.nc.Close()
	_ = b.nc.SetReadDeadline(time.Now().Add(patience))
	return io.ReadAll(b.nc)
}

package main

import (
	"context"
	"math"
	"net"
	"runtime"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/fairqueue"
)

// handshakeSlots are for the TLS handshakes that compute. Addresses take them in rotation.
type handshakeSlots struct{ queue *fairqueue.Queue }

// newHandshakeSlots leaves one processor to those who are connected, if there are several.
func newHandshakeSlots() handshakeSlots {
	return handshakeSlots{fairqueue.New(max(1, runtime.GOMAXPROCS(0)-1), math.MaxInt)} // limits.handshakes bounds those who wait
}

// Acquire waits for a slot until ctx ends.
func (s handshakeSlots) Acquire(ctx context.Context, device net.Addr) error {
	return s.queue.Acquire(ctx, bridge.Neighbors(device.String()))
}

// Release gives a slot back.
func (s handshakeSlots) Release(device net.Addr) {
	s.queue.Release(bridge.Neighbors(device.String()))
}

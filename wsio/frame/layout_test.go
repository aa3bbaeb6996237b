package frame_test

import (
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

const patience = 10 * time.Second // for what should come at once

// layout is a run of packets as [frame.Conn.WriteFrames] wants it.
func layout(packets ...string) (buf []byte, ends []int) {
	return wsframes.Run(frame.Headroom, packets...)
}

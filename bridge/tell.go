package bridge

import (
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// tellConnect is how much of a CONNECT is looked at to answer it.
const tellConnect = 4 << 10

// Tell refuses a device that has its WebSocket already: its CONNECT is answered with the reason's code in its version, and it is closed
// with the reason. It returns when that is done, at the deadline at the latest. The refusal is counted elsewhere.
func Tell(dev Device, why *reason.Reason, deadline time.Time) {
	_ = dev.SetDeadline(deadline)
	head := make([]byte, tellConnect)
	var answer []byte
	for n, whole := 0, false; !whole && n < len(head); {
		read, err := dev.Read(head[n:])
		if n += read; err != nil {
			break
		}
		answer, _, whole = AnswerUnwrapped(why, head[:n])
	}
	if len(answer) > 0 {
		_ = dev.WriteFrames(append(make([]byte, mqttio.Headroom), answer...), []int{mqttio.Headroom + len(answer)})
	}
	if why.Close != 0 {
		_ = dev.CloseWith(why.Close, why.String(), min(time.Until(deadline), goodbyeTime))
	}
}

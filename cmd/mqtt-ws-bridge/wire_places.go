package main

import (
	"os"
	"runtime"
	"sync"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/loop"
	"mqtt-ws-bridge/bridge/park"
)

// places lets sessions do without goroutines where the system can: served by a loop between plain sockets, waiting in a lot while
// they are quiet otherwise, as with TLS.
func (p *process) places() func(s bridge.Parked, device, broker bridge.Rewirable) (bridge.Place, error) {
	lot, err := park.New()
	if err != nil {
		p.log.Debug("quiet sessions keep their goroutines", "error", err.Error())
		return nil
	}
	p.lot = lot
	if p.cfg.EventLoops == "auto" {
		if p.loops, err = loop.New(loopCount()); err != nil {
			p.log.Debug("busy sessions keep their goroutines", "error", err.Error())
		}
	}
	return func(s bridge.Parked, device, broker bridge.Rewirable) (bridge.Place, error) {
		if p.loops != nil {
			if place, err := p.loops.Place(s, device, broker); err == nil {
				return place, nil
			}
		}
		return lot.Place(s, device.NetConn(), broker.NetConn())
	}
}

// loopCount returns one loop for each processor, and gives the program's goroutines one processor more. A loop that waits in the kernel
// keeps its processor as long as another is idle. Otherwise Go's monitor takes it away after 20 µs, for which it wakes that often, and
// the loop has to ask for it again. Who has set GOMAXPROCS gets no more than that.
var loopCount = sync.OnceValue(func() int {
	n := runtime.GOMAXPROCS(0)
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(n + 1)
	}
	return n
})

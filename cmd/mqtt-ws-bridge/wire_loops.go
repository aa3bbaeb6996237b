package main

import (
	"os"
	"runtime"
	"sync"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/loop"
)

// eventLoops lets sessions do without goroutines where the system can: loops serve those between sockets, plain or with TLS. Nil: none.
func (p *process) eventLoops() func(s drive.Served, device, broker drive.Rewirable) (drive.Registration, error) {
	if p.cfg.EventLoops != "auto" {
		return nil
	}
	var err error
	if p.loops, err = loop.New(loopCount()); err != nil {
		p.log.Debug("sessions keep their goroutines", "error", err.Error())
		return nil
	}
	return p.loops.Register
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

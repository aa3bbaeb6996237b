package main

import (
	"runtime"

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
		// Half of the processors: what has goroutines, as handshakes and TLS, wants some too, and fewer loops find more at once.
		if p.loops, err = loop.New(max(1, runtime.GOMAXPROCS(0)/2)); err != nil {
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

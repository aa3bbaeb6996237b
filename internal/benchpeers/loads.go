package main

import (
	"fmt"
	"time"
)

const (
	devices = 50
	payload = 128
	burst   = 64
	mebi    = 1 << 20
)

// growth is what the figures on growth are taken at.
var (
	growDevices  = []int{1, 10, 100, 1000}
	growPayloads = []int{16, 128, 1 << 10, 8 << 10, 64 << 10, mebi}
	growIdle     = []int{1000, 4000} // and those of the main row
)

// loads are all of a round, without the idle ones. A quick one is a tenth as long.
func loads(quick bool) []load {
	second, amount := 700*time.Millisecond, 1
	if quick {
		second, amount = 150*time.Millisecond, 10
	}
	base := load{devices: devices, size: payload, batch: 1, duration: second}
	with := func(name, mode string, change func(*load)) load {
		l := base
		l.name, l.mode = name, mode
		change(&l)
		return l
	}
	bursts := func(l *load) { l.batch = burst }
	window := func(n int) func(*load) { return func(l *load) { l.window = n } }
	down := func(n, batch int) func(*load) {
		return func(l *load) { l.messages, l.batch = n/amount, batch }
	}
	one := func(l *load) { l.devices = 1 }
	secure := func(change func(*load)) func(*load) { return func(l *load) { change(l); l.secure = true } }
	broker := func(change func(*load)) func(*load) { return func(l *load) { change(l); l.broker = true } }
	nothing := func(*load) {}
	large := func(l *load) { l.size, l.devices, l.messages = mebi, 4, 200/amount }
	return []load{
		with("up-single", "up", nothing),
		with("up-paced", "up", func(l *load) { l.rate = 10_000 }),
		with("up-burst", "up", bursts),
		with("down-single", "down", down(8_000, 1)),
		with("down-burst", "down", down(40_000, burst)),
		with("qos1-10", "qos1", window(10)),
		with("qos1-1", "qos1", window(1)),
		with("rtt-1", "rtt", one),
		with("rtt-50", "rtt", nothing),
		with("connect", "connect", func(l *load) { l.devices = 20 }),
		with("up-1MiB", "up", large),
		with("down-1MiB", "down", large),
		with("tls-up-single", "up", secure(nothing)),
		with("tls-up-burst", "up", secure(bursts)),
		with("tls-down-single", "down", secure(down(8_000, 1))),
		with("tls-down-burst", "down", secure(down(20_000, burst))),
		with("tls-qos1-10", "qos1", secure(window(10))),
		with("tls-qos1-1", "qos1", secure(window(1))),
		with("tls-rtt-1", "rtt", secure(one)),
		with("tls-rtt-50", "rtt", secure(nothing)),
		with("tls-connect", "connect", secure(func(l *load) { l.devices = 20 })),
		with("broker-up", "up", broker(nothing)),
		with("broker-down", "down", broker(func(l *load) { l.devices, l.rate = 10, 2_000 })),
		with("broker-qos1-10", "qos1", broker(window(10))),
		with("broker-rtt-1", "rtt", broker(one)),
		with("broker-connect", "connect", broker(func(l *load) { l.devices = 20 })),
	}
}

// growing are the loads of the figures on growth.
func growing() []load {
	var all []load
	for _, n := range growDevices {
		all = append(all, load{name: growthName("devices", n), mode: "up", devices: n, size: payload, batch: 1,
			duration: 700 * time.Millisecond})
	}
	for _, size := range growPayloads {
		up := load{name: growthName("payload-up", size), mode: "up", devices: 10, size: size, batch: 1, duration: 500 * time.Millisecond}
		down := up
		down.name, down.mode = growthName("payload-down", size), "down"
		// Some 500 MB, but no more than 300,000 messages: about half a second.
		down.messages = min(300_000, 500<<20/(size+100)) / down.devices
		all = append(all, up, down)
	}
	return all
}

func growthName(what string, n int) string { return fmt.Sprintf("grow-%s-%d", what, n) }

// idle is a fleet that does nothing.
type idle struct {
	name    string
	devices int
	secure  bool
	settle  time.Duration // from the last connect to the reading
}

func idles(quick, growth bool) []idle {
	// Sessions go to their loop within a second, and the bridge gives their memory back some seconds later.
	const settle = 13 * time.Second
	switch {
	case quick:
		return []idle{{name: "idle-ws", devices: 500, settle: 2 * time.Second}, {name: "idle-wss", devices: 100, secure: true, settle: 2 * time.Second}}
	case growth:
		var all []idle
		for _, n := range growIdle {
			all = append(all, idle{name: growthName("idle", n), devices: n, settle: settle})
		}
		return all
	}
	return []idle{{name: "idle-ws", devices: 8000, settle: settle}, {name: "idle-wss", devices: 2000, secure: true, settle: settle}}
}

//go:build !linux

package socket

import (
	"net"
	"time"
)

const counts = false

func taken(int) (uint64, bool) { return 0, false }

func unacknowledged(int) (int, bool) { return 0, false }

func boundUnsent(int, int) {}

func setUnanswered(int, time.Duration) {}

func setProbe(nc net.Conn, d time.Duration) {
	for nc != nil {
		switch c := nc.(type) {
		case *net.TCPConn:
			_ = c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: d > 0, Idle: d, Interval: d, Count: probes})
			return
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		case interface{ Transport() net.Conn }:
			nc = c.Transport()
		default:
			return
		}
	}
}

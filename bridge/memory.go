package bridge

import "time"

// A session costs memory in two ways. What it has in any case, its goroutines, connections and smallest buffers, is counted
// when it begins: [Budget.Room] bounds the sum. What it takes beyond that for packets is counted here as it is taken, in a share
// with a hard limit; a session that gets nothing reads nothing until there is some. See docs/decisions/0016-memory.md.

// What a session has in any case, in bytes.
const (
	// CostPlain is that of one between plain sockets.
	CostPlain = 12 << 10
	// CostTLS is that of one whose device has TLS: keys, and half a record in and out.
	CostTLS = 32 << 10
)

// gathered is what a device's connection may need beside a run to write it.
const gathered = 16 << 10

// cost is what a session with this device has in any case.
func cost(dev Device) int64 {
	if dev.TLS() != nil {
		return CostTLS
	}
	return CostPlain
}

// memory is what all sessions of a bridge use for packets.
type memory struct {
	proven   share // by sessions that a broker has accepted
	unproven share // by all others
	silent   int64 // what sessions without CONNECT may have in any case; 0: any
}

// MemoryLimits bound what sessions use together, in bytes. 0: any.
type MemoryLimits struct {
	// Sessions is what sessions may have in any case, of [CostPlain] or [CostTLS] each.
	Sessions int64
	// Packets is what their packets may use beyond that.
	Packets int64
}

// unprovenPart is the part of each limit that is for sessions which have not proved themselves: of what they may have in any case for
// those that have not said CONNECT, of what their packets may use for those that no broker has accepted.
const unprovenPart = 4

func newMemory(l MemoryLimits, now func() time.Duration) *memory {
	m := &memory{silent: l.Sessions / unprovenPart}
	m.unproven.set(l.Packets/unprovenPart, now)
	m.proven.set(l.Packets-l.Packets/unprovenPart, now)
	return m
}

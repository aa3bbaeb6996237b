package budget

// MemoryPlan is how a limit of memory is shared out, in bytes. The parts add up to the limit, so that it holds whatever sessions do.
type MemoryPlan struct {
	MemoryLimit // 0: no limit, and none of what follows

	Program    int64 // pages of the program's file, which the Go runtime does not know of
	Runtime    int64 // the limit of the Go runtime
	Sessions   int64 // what sessions have in any case
	Packets    int64 // what they hold of packets
	Handshakes int   // how many may be under way
}

const (
	programPages  = 13 << 20 // of the program's file that are in memory: RssFile in /proc/PID/status
	ownMemory     = 5 << 20  // of a bridge without sessions, for the Go runtime
	handshakeCost = 24 << 10 // a goroutine, net/http's buffers and headers

	// The shares of what is left, in twentieths.
	packetShare    = 3
	handshakeShare = 1
	allShares      = 20
)

// PlanMemory shares out a limit. The program counts with a quarter of it at most: its pages are read again when the system has
// dropped them.
func PlanMemory(limit MemoryLimit) MemoryPlan {
	all := limit.Bytes
	if all == 0 {
		return MemoryPlan{}
	}
	p := MemoryPlan{MemoryLimit: limit, Program: min(programPages, all/4)}
	p.Runtime = all - p.Program
	rest := max(p.Runtime-ownMemory, p.Runtime/2)
	p.Packets = rest / allShares * packetShare
	handshakes := rest / allShares * handshakeShare
	p.Handshakes = max(1, int(min(handshakes/handshakeCost, 1<<30)))
	p.Sessions = rest - p.Packets - handshakes
	return p
}

// affords reports whether there is room for a session beside others that have so many bytes in any case.
func (p *MemoryPlan) affords(bytes int64) bool { return p.Bytes == 0 || bytes < p.Sessions }

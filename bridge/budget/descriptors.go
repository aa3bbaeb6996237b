package budget

import "os"

const (
	// ownDescriptors are those of the process itself: listeners, the operator, files that are read again, probes of brokers.
	ownDescriptors = 64
	// keptHandshakes are left for devices that ask, however many sessions are wanted.
	keptHandshakes = 128
)

// Plan is how the descriptors of the process are shared out.
type Plan struct {
	Most       int // the process may have; 0: not known, and nothing is bounded by it
	Needed     int // if every limit were reached
	Own        int // of the process itself
	Each       int // of a session
	Sessions   int // that can be afforded at a time
	Handshakes int // that can be afforded at a time
}

// PlanDescriptors shares most descriptors out to what the configuration allows, each session taking a number of them and each
// handshake one. If there are too few, handshakes give way first, down to a rest, so that sessions are bounded as late as can be.
func PlanDescriptors(most uint64, sessions, handshakes, each int) Plan {
	p := Plan{Needed: each*sessions + handshakes + ownDescriptors, Own: ownDescriptors, Each: each, Sessions: sessions, Handshakes: handshakes}
	if most == 0 || most >= uint64(p.Needed) {
		p.Most = int(min(most, 1<<31-1))
		return p
	}
	p.Most = int(most)
	p.Own = min(ownDescriptors, p.Most/4)
	rest := p.Most - p.Own
	p.Handshakes = min(handshakes, max(rest-each*sessions, min(keptHandshakes, rest/4), 1))
	p.Sessions = max(0, (rest-p.Handshakes)/each)
	return p
}

// Lowered reports whether fewer sessions can be afforded than are allowed.
func (p *Plan) Lowered(sessions int) bool { return p.Sessions < sessions }

// openDescriptors counts those of this process, where that is one look: in Linux since 6.2.
func openDescriptors() (n int, known bool) {
	info, err := os.Stat("/proc/self/fd")
	if err != nil || info.Size() == 0 {
		return 0, false
	}
	return int(info.Size()), true
}

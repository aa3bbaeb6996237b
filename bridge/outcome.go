package bridge

import "sync/atomic"

// Outcome tells an upstream what became of one connection that it dialled: whether the broker answered CONNECT. The first word
// counts, and it is the only one: however often a session asks, a broker is judged once for each connection. Safe for concurrent use. A
// nil Outcome tells nobody.
type Outcome struct {
	state atomic.Int32
	tell  func(answered bool)
}

// The states of an Outcome.
const (
	outcomeOpen int32 = iota
	outcomeAnswered
	outcomeUnanswered
)

// NewOutcome returns an Outcome that calls tell, once at most. A nil tell learns nothing.
func NewOutcome(tell func(answered bool)) *Outcome { return &Outcome{tell: tell} }

// Answered says that the broker sent CONNACK or AUTH. It reports whether that is the first word.
func (o *Outcome) Answered() bool { return o.settle(outcomeAnswered) }

// Unanswered says that the broker had CONNECT for as long as it may take and did not answer.
func (o *Outcome) Unanswered() { o.settle(outcomeUnanswered) }

func (o *Outcome) settle(state int32) (first bool) {
	if o == nil || !o.state.CompareAndSwap(outcomeOpen, state) {
		return false
	}
	if o.tell != nil {
		o.tell(state == outcomeAnswered)
	}
	return true
}

func (o *Outcome) wasAnswered() bool { return o != nil && o.state.Load() == outcomeAnswered }

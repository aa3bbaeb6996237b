package police

import (
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Action is what becomes of a packet, or of a part of one.
type Action uint8

// The actions.
const (
	Pass    Action = iota // it goes on as it came
	Edit                  // it goes on as Verdict.Edit has it
	Replace               // Verdict.Packet goes on in its place
	Drop                  // it does not go on
	End                   // it does not go on, and the session ends
)

// Verdict says what becomes of a packet. A nil Verdict passes it. It is valid until the next packet in its direction is inspected or
// forgotten.
type Verdict struct {
	Action Action
	Edit   mqttio.PublishEdit // with Edit: no longer than Stream.Grow allows
	Packet []byte             // with Replace: whole, after Headroom bytes
	Answer Answer             // what the sender hears
	Reason *reason.Reason     // with End
	Err    error              // with End: what there is to say beside the reason; may be nil
}

// Answer is a packet of the bridge's own to the end that a packet came from. See [leg.Leg.Say].
type Answer struct {
	Packet []byte // whole, after Headroom bytes; nil: none
	Kind   leg.Kind
	After  uint64
}

// verdicts is where an Inspector puts the verdicts of one direction: none is made on the heap for a packet.
type verdicts struct {
	now     Verdict
	publish mqttio.Publish // that Edit shows
	scratch [mqttio.Headroom + 8]byte
}

// ack is where an acknowledgement is made: a device that is denied much causes no garbage for each packet.
func (v *verdicts) ack() []byte { return v.scratch[:mqttio.Headroom] }

// forget lets go of the packet that was inspected last.
func (v *verdicts) forget() { v.now, v.publish = Verdict{}, mqttio.Publish{} }

func (v *verdicts) edit(e mqttio.PublishEdit) *Verdict {
	v.now = Verdict{Action: Edit, Edit: e}
	return &v.now
}

func (v *verdicts) replace(packet []byte) *Verdict {
	v.now = Verdict{Action: Replace, Packet: packet}
	return &v.now
}

// drop drops the packet with an answer.
func (v *verdicts) drop(a Answer) *Verdict {
	v.now = Verdict{Action: Drop, Answer: a}
	return &v.now
}

func (v *verdicts) end(r *reason.Reason, err error) *Verdict {
	v.now = Verdict{Action: End, Reason: r, Err: err}
	return &v.now
}

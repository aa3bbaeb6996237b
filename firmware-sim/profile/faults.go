package profile

// The faults of the time after the handshake.
const (
	FrameTooBig     Fault = "frame-too-big"
	ReadTooBig      Fault = "read-too-big"
	PacketTooBig    Fault = "mqtt-buffer-too-small"
	ContinuationHit Fault = "continuation"
	TextHit         Fault = "text-frame"
	EmptyHit        Fault = "empty-frame"
	PingHit         Fault = "ping"
	MaskedHit       Fault = "masked-frame"
	ReservedHit     Fault = "reserved-bits-or-opcode"
	Coalesced       Fault = "several-packets-in-a-frame"
	Partial         Fault = "packet-split-over-frames"
	MidFrameStall   Fault = "stall-inside-a-frame"
	BrokenStream    Fault = "malformed-packet"
	NoPingresp      Fault = "pingresp-missing"
	NoConnack       Fault = "connack-missing"
	HostileServed   Fault = "hostile-device-served"
)

package bridge

import (
	"net/http"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// admissionStage is when a device is refused, which decides on how it hears why.
type admissionStage int

// The stages, in their order. Those before the first are package wsio's: the gate for handshakes, TLS, and the rules of RFC 6455.
const (
	onState     admissionStage = iota // before the upgrade, for what the bridge stands like: HTTP. Load balancers are told the same
	onHandshake                       // before the upgrade, for who asks: HTTP
	onUpgrade                         // behind the upgrade, for what has changed meanwhile: CONNACK and close
	onConnect                         // CONNECT is whole: CONNACK and close
)

// Applicant is a device that asks to be let in.
type Applicant struct {
	Address  string        // without a port; "": any device's
	Request  *http.Request // its handshake
	Identity string        // what the handshake proves; set by [Admission.Identify], "" for nothing

	// The sessions beside it when it was looked at, with the bytes that they have in any case.
	others int
	cost   int64
	full   bool // they are as many as there may be

	pass Pass // after the upgrade

	// With CONNECT, which the bridge may change.
	session *session
	connect *mqttio.Connect
	packet  []byte
	err     error // what was seen, if there is more to say than the reason
}

// Admission is what others contribute to the order of admission. A function that is nil lets everybody in. None but Identify waits.
type Admission struct {
	// Address counts the connection against the quotas of its address.
	Address func(address string) *reason.Reason
	// Identify finds out who the device is.
	Identify func(*Applicant) *reason.Reason
	// Identity counts the connection against the quotas of the identity, and of all together.
	Identity func(identity string) *reason.Reason
}

// check is one step of admission. It returns why the device is refused, or nil.
type check struct {
	stage admissionStage
	name  string // as docs/operations.md has it
	ask   func(b *Bridge, a *Applicant) *reason.Reason
}

// admissionOrder is the order in which devices are refused: the first check that speaks against one decides. What costs nothing comes first,
// what a stranger can use up comes last.
func admissionOrder() []check {
	return []check{
		{onState, "drain", (*Bridge).refuseDraining},
		{onState, "limits.sessions", (*Bridge).refuseFull},
		{onState, "limits.memory, descriptors, ports", (*Bridge).refuseShort},
		{onState, "limits.dials", (*Bridge).refuseDials},
		{onState, "health of the brokers", (*Bridge).refuseBrokerDown},

		{onHandshake, "quotas.address", (*Bridge).refuseAddress},
		{onHandshake, "access.sources", (*Bridge).refuseUnidentified},
		{onHandshake, "quotas.identity, quotas.total.connect-rate", (*Bridge).refuseIdentity},

		{onUpgrade, "limits.sessions", (*Bridge).refuseFull},
		{onUpgrade, "drain", (*Bridge).refuseDraining},
		{onUpgrade, "quotas.address.connections, quotas.identity.connections", (*Bridge).refusePass},
		{onUpgrade, "limits.memory, descriptors, ports", (*Bridge).refuseShort},

		{onConnect, "access.require, access.connect, access.rules", (*Bridge).refuseConnect},
		{onConnect, "quotas.identity", (*Bridge).refuseUsername},
	}
}

// refuse asks the checks of a stage, in their order.
func (b *Bridge) refuse(stage admissionStage, a *Applicant) *reason.Reason {
	for i := range b.order {
		if c := &b.order[i]; c.stage == stage {
			if why := c.ask(b, a); why != nil {
				return why
			}
		}
	}
	return nil
}

// Admit says whether a session of a device would be taken now: nil, or why not. address is the device's, with or without a port, "" for any
// device. It looks at the bridge alone, costs next to nothing and does not wait.
func (b *Bridge) Admit(address string) *reason.Reason {
	return b.refuse(onState, b.beside(&Applicant{Address: address}))
}

// AdmitDevice says whether a device may open its WebSocket: nil, or why not. It counts the device, and may wait as long as the handshake's
// context allows.
func (b *Bridge) AdmitDevice(a *Applicant) *reason.Reason {
	if why := b.refuse(onState, b.beside(a)); why != nil {
		return why
	}
	return b.refuse(onHandshake, a)
}

// beside notes the sessions of this moment.
func (b *Bridge) beside(a *Applicant) *Applicant {
	a.others, a.cost = b.Sessions(), b.cost.Load()
	a.full = a.others >= b.limits().Sessions
	return a
}

func (b *Bridge) refuseDraining(*Applicant) *reason.Reason {
	if b.draining.Load() {
		return reason.Draining
	}
	return nil
}

func (b *Bridge) refuseFull(a *Applicant) *reason.Reason {
	if a.full {
		return reason.Full
	}
	return nil
}

func (b *Bridge) refuseShort(a *Applicant) *reason.Reason { return b.budget.Room(a.others, a.cost) }

func (b *Bridge) refuseDials(a *Applicant) *reason.Reason {
	if !b.dials.Room(Neighbors(a.Address)) {
		return reason.DialsFull
	}
	return nil
}

func (b *Bridge) refuseBrokerDown(*Applicant) *reason.Reason {
	if !b.upstream.Ready() {
		return reason.BrokerDown
	}
	return nil
}

func (b *Bridge) refuseAddress(a *Applicant) *reason.Reason {
	if b.admission.Address == nil {
		return nil
	}
	return b.admission.Address(a.Address)
}

func (b *Bridge) refuseUnidentified(a *Applicant) *reason.Reason {
	if b.admission.Identify == nil {
		return nil
	}
	return b.admission.Identify(a)
}

func (b *Bridge) refuseIdentity(a *Applicant) *reason.Reason {
	if b.admission.Identity == nil {
		return nil
	}
	return b.admission.Identity(a.Identity)
}

func (b *Bridge) refusePass(a *Applicant) *reason.Reason { return a.pass.Refuse }

func (b *Bridge) refuseConnect(a *Applicant) (why *reason.Reason) {
	why, a.err = a.session.inspectConnect(a.connect, a.packet)
	return why
}

func (b *Bridge) refuseUsername(a *Applicant) *reason.Reason {
	if a.session.quota == nil {
		return nil
	}
	return a.session.quota.Connect(a.connect.Username)
}

package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// session is one device and, after CONNECT, its broker.
type session struct {
	// Set once, before any goroutine.
	b     *Bridge
	id    uint64
	dev   Device
	began time.Duration
	// expires is when the device's proof of identity ends, as b.now(); 0: never.
	expires   time.Duration
	asked     time.Duration     // when the broker got CONNECT; set before the pumps start
	inspector *police.Inspector // nil if the broker decides alone
	quota     Quota             // nil: none
	cost      int64             // bytes that the session has in any case
	memory    *sessionMemory
	stop      chan struct{} // closed by end; nil without a quota and a policy

	// Set once by run, before the pumps start; others read them only after both have ended, or through mu.
	connect    connectInfo
	up, down   pump
	brokerConn brokerConn
	rewritten  []byte // CONNECT in place of the device's, until it is sent; after Headroom bytes

	// Why the session ends; the first cause wins.
	cause atomic.Pointer[cause]

	// mu guards these. It is never held across I/O.
	mu       sync.Mutex
	broker   Broker
	farewell bool // both ends are being closed: their deadlines belong to the goroutine that does it
	// cancelDial ends the dial under way; nil while there is none.
	cancelDial context.CancelFunc

	driver drive.Driver // who runs the pumps; it calls task's methods

	leaving atomic.Bool // the device said DISCONNECT

	// The two ends. Whatever is written to them goes through these.
	toDevice, toBroker leg.Leg

	// Owned by the pump up.
	inspecting bool // the session is one of Bridge.inspecting

	stage        atomic.Int32
	deadline     atomic.Int64  // of the stage, as b.now(); 0: none
	keepAlive    atomic.Int64  // the longest silence of the device, as a Duration; 0: none
	keepAliveSet atomic.Bool   // that silence follows from a keep alive, not from the idle timeout
	brokerQuiet  atomic.Uint32 // one more than toBroker.Progress was when nothing had been written for a while; 0: that never was

	watched watched // owned by the bridge's watch
}

// A stage is how far a session has come. Each but the last has a deadline.
type stage int32

const (
	stageConnect stage = iota // waiting for CONNECT
	stageDial                 // connecting to a broker
	stageConnack              // waiting for CONNACK
	stageOnline               // accepted by the broker
)

// connectInfo is what a session remembers of its CONNECT. Strings are cut for logs; the packet itself is not kept.
type connectInfo struct {
	version  mqttio.Version
	clientID string
	username string // until the broker accepts it; "" for none, or one that may be a secret
}

// cause is why a session ends.
type cause struct {
	reason *reason.Reason
	err    error // what was seen, if there is more to say than the reason
}

// forever is longer than any session. With more, as there is until the year 9999 in which certificates of devices end, the sum of two
// times would be negative.
const forever time.Duration = 1 << 62

func newSession(b *Bridge, dev Device, pass Pass) *session {
	s := &session{b: b, id: b.lastID.Add(1), dev: dev, began: b.now(), quota: pass.Quota, cost: cost(dev)}
	s.up = pump{stream: mqttio.Stream{Direction: mqttio.Up, Limit: b.limits().ConnectSize}}
	s.up.tally = tally{packets: &b.metrics.packets[mqttio.Up], bytes: &b.metrics.bytes[mqttio.Up]}
	s.down = pump{stream: mqttio.Stream{Direction: mqttio.Down, Limit: b.limits().PacketSize, MinPart: mqttio.MaxWhole}}
	s.down.tally = tally{packets: &b.metrics.packets[mqttio.Down], bytes: &b.metrics.bytes[mqttio.Down]}
	s.memory = newSessionMemory(s)
	s.brokerConn.broker = &s.broker
	s.toDevice.Init(dev, s.memory)
	s.toBroker.Init(&s.brokerConn, s.memory)
	_ = s.toBroker.Open() // nothing waits; the bridge says nothing there before the device is online
	s.up.side, s.up.from, s.up.to = &sides[mqttio.Up], &s.toDevice, &s.toBroker
	s.down.side, s.down.from, s.down.to = &sides[mqttio.Down], &s.toBroker, &s.toDevice
	s.down.stream.Beside = gathered
	if !pass.Expires.IsZero() {
		s.expires = max(s.began+min(time.Until(pass.Expires), forever), 1)
	}
	if s.inspector = b.inspector(pass, s.memory); s.inspector != nil {
		s.up.stream.Copies, s.down.stream.Copies = 1, 1 // what goes on in place of what came
		s.up.stream.MinPart = mqttio.MaxWhole           // so that the properties of a long PUBLISH are there to be looked at
	}
	s.countMemory()
	if s.quota != nil || s.inspector != nil {
		s.stop = make(chan struct{})
	}
	s.driver.Init((*task)(s))
	s.enter(stageConnect, b.limits().ConnectTimeout)
	return s
}

// enter begins a stage that may last for d; 0 means for ever.
func (s *session) enter(st stage, d time.Duration) {
	deadline := int64(0)
	if d > 0 {
		deadline = int64(s.b.now() + d)
	}
	s.deadline.Store(deadline)
	s.stage.Store(int32(st))
}

// end ends the session for this reason unless it is ending already. It does not wait.
func (s *session) end(r *reason.Reason, err error) {
	if !s.cause.CompareAndSwap(nil, &cause{r, err}) {
		return
	}
	if s.stop != nil {
		close(s.stop)
	}
	s.rouse()
	s.mu.Lock()
	if s.cancelDial != nil {
		s.cancelDial()
	}
	s.mu.Unlock()
	s.driver.Wake()
}

// ending reports whether the session has a cause to end.
func (s *session) ending() bool { return s.cause.Load() != nil }

// goodbyeTime is how long either end may take to hear the goodbye.
const goodbyeTime = 2 * time.Second

// run is the session's first goroutine.
func (s *session) run() {
	if !s.open() {
		s.finish()
		return
	}
	s.register()
	s.driver.Run()
}

// finish closes and frees what the session owns, says goodbye if that was not done, and reports. The session is over then.
func (s *session) finish() {
	defer s.b.forget(s)
	s.endInspection()   // after a panic in one
	s.up.stream.Close() // before the goodbye, for which the device may take its time
	s.down.stream.Close()
	if !s.goodbyeSaid() {
		s.sayGoodbye()
	}
	s.memory.release()
	if s.broker.Conn != nil {
		s.broker.Close()
	}
	s.report()
}

// guard turns a panic into the end of this session: one device must not take the others with it.
func (s *session) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			if c := s.cause.Load(); c != nil && c.reason == reason.Internal {
				return // the end of a session may meet again what has ended it
			}
			s.end(reason.Internal, fmt.Errorf("panic: %v", p))
			s.b.log.Error("panic in a session; please report it", keySession, s.id,
				slog.Any(keyPanic, p), slog.String(keyStack, string(debug.Stack())))
		}
	}()
	f()
}

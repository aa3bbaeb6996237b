package bridge

import (
	"errors"
	"os"
	"time"

	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/reason"
)

// task is a session as its driver has it.
type task session

var _ drive.Task = (*task)(nil)

func (t *task) session() *session { return (*session)(t) }

// Run moves packets one way until the session ends or pauses.
func (t *task) Run(e drive.End) {
	s := t.session()
	s.guard(func() { s.pass(s.pump(e)) })
}

// Step reads once, and again only where nothing more need come on the socket for it to say something.
func (t *task) Step(e drive.End) {
	s := t.session()
	s.guard(func() { s.step(e) })
}

// Conclude closes the direction to the broker and says goodbye to the device, or forgets what the broker still says until it has closed, so
// that nothing unread resets the connection before the broker has seen the device's last packets.
func (t *task) Conclude(e drive.End) {
	s := t.session()
	if e == drive.DeviceEnd {
		s.up.stream.Close()
		s.closeBrokerWrite()
		s.sayGoodbye()
		return
	}
	s.down.stream.Close()
	s.guard(s.discard)
}

// Finish ends the session.
func (t *task) Finish() { t.session().finish() }

// Ending reports whether the session has a cause to end.
func (t *task) Ending() bool { return t.session().ending() }

// past is a deadline that has expired.
var past = time.Unix(1, 0)

// SetReadDeadline sets that of both ends. An error would be a connection that has ended, which its reader knows.
func (t *task) SetReadDeadline(deadline time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.dev.SetReadDeadline(deadline)
	_ = t.broker.SetReadDeadline(deadline)
}

// Interrupt wakes both pumps: at once where they read from the device, soon where they write. What the broker still says is
// read until it closes: see Conclude.
func (t *task) Interrupt() {
	t.mu.Lock()
	defer t.mu.Unlock()
	soon := time.Now().Add(goodbyeTime)
	switch r := t.cause.Load().reason; {
	case t.farewell: // the device's deadlines belong to who says goodbye
	case r == reason.Cut || r == reason.WriteTimeout:
		_ = t.dev.SetDeadline(past)
	default:
		_ = t.dev.SetReadDeadline(past)
		_ = t.dev.SetWriteDeadline(soon)
	}
	if t.broker.Conn != nil {
		_ = t.broker.SetDeadline(soon)
	}
}

// Cut closes both connections while the bridge's Close waits.
func (t *task) Cut() { t.b.wg.Go(t.session().closeBoth) }

// Attached counts the sessions without goroutines.
func (t *task) Attached(err error) {
	if err != nil {
		t.b.log.Debug("a session keeps its goroutines", keySession, t.id, keyError, err.Error())
		return
	}
	t.b.attached.Add(1)
}

// Detached is the opposite of Attached.
func (t *task) Detached() { t.b.attached.Add(-1) }

// register looks for a registration to wait in without goroutines. Called before the pumps start.
func (s *session) register() {
	if s.b.register == nil {
		return
	}
	s.driver.Register(func() (drive.Registration, error) {
		s.mu.Lock() // who looks at a connection does not see it replaced
		defer s.mu.Unlock()
		return s.b.register(&s.driver, s.dev, &s.broker)
	})
}

// read counts a read of n bytes from one end.
func (s *session) read(e drive.End, n int) {
	if s.driver.Count(e, n) && stage(s.stage.Load()) == stageOnline {
		s.driver.Pause()
	}
}

// nothingYet reports whether err, from reading either end, only says that there is nothing to read, or that the session was
// asked to pause.
func (s *session) nothingYet(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) && !s.ending()
}

// pump is the one that reads from an end.
func (s *session) pump(e drive.End) *pump {
	if e == drive.DeviceEnd {
		return &s.up
	}
	return &s.down
}

func (s *session) step(e drive.End) {
	for p := s.pump(e); s.fill(p) && s.move(p) && s.pending(e); {
	}
}

// pending reports whether the next read from an end returns without one of the socket.
func (s *session) pending(e drive.End) bool {
	if e == drive.DeviceEnd {
		return s.dev.Pending()
	}
	return s.broker.Pending()
}

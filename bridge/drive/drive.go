package drive

import (
	"sync"
	"sync/atomic"
	"time"
)

// End is one of the two ends of a task. It also names the direction that reads from there.
type End int8

// The ends.
const (
	DeviceEnd End = iota
	BrokerEnd
)

// other is the end across.
func (e End) other() End { return DeviceEnd + BrokerEnd - e }

// Task is what a driver runs.
type Task interface {
	// Run moves what comes from one end until the task is ending or [Driver.Pausing] is true. No other Run or Step of that end runs
	// meanwhile.
	Run(e End)
	// Step is Run for what can be read now. Nothing else of the task runs until [Driver.Blocked] was called.
	Step(e End)
	// Conclude does what is left to do in one direction when the task is ending. It is called once for each, after the last Run.
	Conclude(e End)
	// Finish is called once, after Conclude has returned for both directions. The driver uses the task no more.
	Finish()
	// Ending reports whether the task has begun to end. Who begins that calls [Driver.Wake] afterwards.
	Ending() bool
	Ends
}

// Ends are the two connections of a task. The driver calls these methods under its lock: they do not wait.
type Ends interface {
	// SetReadDeadline sets that of both connections. The zero time takes it back.
	SetReadDeadline(t time.Time)
	// Interrupt wakes whoever reads or writes at either end, now or soon, since the task is ending.
	Interrupt()
	// Cut closes both connections, in another goroutine.
	Cut()
	// Attached hears that the connections are those of the registration from now on, or why they are not.
	Attached(err error)
	// Detached hears that they are those of goroutines again.
	Detached()
}

// phase is how far one direction is.
type phase int8

const (
	stopped phase = iota // not begun, or the task is attached
	running              // a goroutine runs it
	resting              // its goroutine has ended because the task pauses
	over                 // it has concluded
)

// Driver runs one task. Call Init before anything else. Its methods may be called concurrently, unless they say otherwise, and take its
// lock before any of the task's.
type Driver struct {
	// Set by Init.
	task Task

	// mu guards these. It is never held across I/O.
	mu           sync.Mutex
	registration Registration // where the task may attach; nil if it cannot
	phases       [2]phase     // of the directions
	attached     bool         // no goroutine runs the task: see attach.go
	killed       bool         // both connections are to be closed at once
	pinging      bool         // between BeginPing and EndPing
	// serving is what an attached task is being served, by a goroutine that is not its own: see serve.go. It changes under mu, and only
	// where no direction runs, so that those may read it without.
	serving part

	pausing atomic.Bool // the goroutines are asked to end

	reads  [2]uint8 // with a goroutine, up to settleAfter; each owned by its direction
	oneWay oneWay   // owned by what is served
}

// Init has the driver run t.
func (d *Driver) Init(t Task) { d.task = t }

// Run runs the task. The calling goroutine is that of the direction from the device. It returns when that one has ended, which is not
// when the task is finished.
func (d *Driver) Run() {
	d.mu.Lock()
	d.begin(DeviceEnd)
	d.mu.Unlock()
	d.run(DeviceEnd)
}

// begin gives both directions goroutines. That of caller is the one that calls, which goes on with run. The caller holds mu.
func (d *Driver) begin(caller End) {
	d.phases = [2]phase{running, running}
	go d.run(caller.other())
}

// run runs one direction until the task pauses or is over.
func (d *Driver) run(e End) {
	for d.task.Run(e); !d.task.Ending(); d.task.Run(e) {
		if d.rest(e) {
			return
		}
	}
	d.task.Conclude(e)
	if d.conclude(e) {
		d.leave()
		d.task.Finish()
	}
}

// rest ends the goroutine of a direction because the task pauses; the second one attaches the task. False says that there is no pause any
// more, and the direction must go on.
func (d *Driver) rest(e End) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.task.Ending() || !d.pausing.Load() {
		return false
	}
	if d.phases[e.other()] == running {
		d.phases[e] = resting
		return true
	}
	if d.attach() {
		return true
	}
	d.begin(e)
	return false
}

// conclude ends a direction for good. It reports whether that was the second.
func (d *Driver) conclude(e End) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phases[e] = over
	return d.phases[e.other()] == over
}

// Wake has the task see that it is ending. Call it once [Task.Ending] is true. It does not wait.
func (d *Driver) Wake() {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.phases[DeviceEnd] == over && d.phases[BrokerEnd] == over: // both saw it before
	case d.attached && d.serving != nothing: // whoever serves it will see
	case d.attached:
		d.resume()
	default:
		d.task.Interrupt()
		d.wakeResting()
	}
}

// wakeResting gives a direction that rests a goroutine. The caller holds mu.
func (d *Driver) wakeResting() {
	for e := range d.phases {
		if d.phases[e] == resting {
			d.phases[e] = running
			go d.run(End(e))
		}
	}
}

// Kill has both connections of a task that is ending closed at once. True says that the caller has to do it; otherwise the driver has
// the task do it as soon as the connections are those of goroutines.
func (d *Driver) Kill() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.killed = true
	return !d.attached
}

// WithEnds calls f while the connections are those of goroutines and stay so, for what a third goroutine may do with a connection in use.
// False says that they are not, or are being closed, and f was not called. f must not wait nor call the driver.
func (d *Driver) WithEnds(f func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attached || d.killed {
		return false
	}
	f()
	return true
}

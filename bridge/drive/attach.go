package drive

import (
	"net"
	"time"
)

// Registration is where a task waits without goroutines.
type Registration interface {
	// Attach has Ready called whenever there is something to read, until Detach: at once if there is already. Meanwhile connections give
	// os.ErrDeadlineExceeded when there is nothing to read.
	Attach() error
	// Block has the task's Blocked called. A task that is being served calls it before it waits for something other than a write.
	Block()
	// Detach makes the connections those of goroutines again.
	Detach()
	// Leave gives the registration back; the connections are closed soon after. The task is not attached.
	Leave()
}

// Rewirable is an end whose connection can be replaced by one around it.
type Rewirable interface {
	NetConn() net.Conn
	SetNetConn(nc net.Conn)
}

// settleAfter is how many reads with goroutines make a task worth being served by a loop. One that comes, says a word and goes is not;
// one that stays and says little is found by who looks at all of them from time to time, and calls Pause.
const settleAfter = 16

// past is a deadline that has expired.
var past = time.Unix(1, 0)

// Register calls register for a place to wait in without goroutines, which may replace the connections. With an error, as for a broker in
// this process, the task keeps its goroutines. Call it before Run.
func (d *Driver) Register(register func() (Registration, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.task.Ending() { // the connections may be being closed meanwhile, and a registration would put others there
		return
	}
	if r, err := register(); err == nil {
		d.registration = r
	}
}

// leave gives up the registration for good.
func (d *Driver) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.registration != nil {
		d.registration.Leave()
		d.registration = nil
	}
}

// Count counts a read of n bytes from one end, by what runs that direction. True, once, says that the task has settled: the caller pauses
// it, if it is far enough to be paused.
func (d *Driver) Count(e End, n int) (settled bool) {
	if d.serving != nothing {
		d.oneWay.count(e, n)
		return false
	}
	if d.reads[e] > settleAfter {
		return false
	}
	d.reads[e]++
	return d.reads[e] > settleAfter
}

// Pause asks both goroutines to end, so that the task attaches.
func (d *Driver) Pause() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.registration == nil || d.attached || d.task.Ending() || !d.pausing.CompareAndSwap(false, true) {
		return
	}
	d.task.SetReadDeadline(past)
}

// Pausing reports whether Run is to return where there is nothing to read.
func (d *Driver) Pausing() bool { return d.pausing.Load() }

// CarryOn takes Pause back where only one direction has ended, since the other one may not: it may wait for a reader that itself waits until
// the one that has ended reads.
func (d *Driver) CarryOn() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phases[DeviceEnd] != d.phases[BrokerEnd] && !d.task.Ending() && d.pausing.CompareAndSwap(true, false) {
		d.task.SetReadDeadline(time.Time{})
		d.wakeResting()
	}
}

// attach makes the connections those of the registration. False says that the task keeps its goroutines, of which none runs now. A task
// that begins to end meanwhile is woken by Wake. The caller holds mu.
func (d *Driver) attach() bool {
	d.pausing.Store(false)
	d.task.SetReadDeadline(time.Time{})
	if d.pinging {
		return false
	}
	err := d.registration.Attach()
	d.task.Attached(err)
	if err != nil {
		d.registration.Leave()
		d.registration = nil
		return false
	}
	d.phases = [2]phase{}
	d.attached = true
	return true
}

// resume gives an attached task its goroutines back. The caller holds mu.
func (d *Driver) resume() {
	d.detach()
	d.phases = [2]phase{running, running}
	go d.run(DeviceEnd)
	go d.run(BrokerEnd)
}

// detach makes the connections those of goroutines. The caller holds mu, and starts them.
func (d *Driver) detach() {
	d.registration.Detach()
	d.attached = false
	d.task.Detached()
	switch {
	case d.killed:
		d.task.Cut()
	case d.task.Ending():
		d.task.Interrupt()
	}
}

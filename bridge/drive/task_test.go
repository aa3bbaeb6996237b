package drive_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge/drive"
)

// task is what a test has driven: each direction does what is queued for it. It is its own registration.
//
// wires stand for the connections. They are not synchronized: whoever uses one while somebody replaces it is found by the race detector.
type task struct {
	t      testing.TB
	driver drive.Driver
	wires  [2]int

	ending   atomic.Bool
	inside   [2]atomic.Int32 // how many run a direction
	calls    [2]atomic.Int32 // of Conclude
	finishes atomic.Int32
	blocked  atomic.Int32 // times that the loop's goroutine was given away

	mu       sync.Mutex
	changed  sync.Cond
	work     [2][]func()
	deadline bool // has passed
	stopped  bool // Interrupt was called since the connections are those of goroutines
	attached bool
	refuse   error // of Attach
	attaches int
	kept     []error // why it could not be attached
	left     int
	cuts     int
}

const (
	device = drive.DeviceEnd
	broker = drive.BrokerEnd
)

func newTask(t testing.TB) *task {
	k := &task{t: t}
	k.changed.L = &k.mu
	k.driver.Init(k)
	k.driver.Register(func() (drive.Registration, error) { return k, nil })
	return k
}

// use uses a connection.
func (k *task) use(e drive.End) {
	if k.wires[e] < 0 {
		k.t.Error("a connection is gone")
	}
}

// change changes what the lock guards.
func (k *task) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
	k.changed.Broadcast()
}

// do queues something for a direction.
func (k *task) do(e drive.End, f func()) { k.change(func() { k.work[e] = append(k.work[e], f) }) }

// end ends the task.
func (k *task) end() {
	k.ending.Store(true)
	k.driver.Wake()
}

// read returns what is to be done; nil where a read would fail or time out.
func (k *task) read(e drive.End) func() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.work[e]) == 0 {
		if k.attached || k.deadline || k.stopped {
			return nil
		}
		k.changed.Wait()
	}
	f := k.work[e][0]
	k.work[e] = k.work[e][1:]
	return f
}

// enter checks that a direction has one goroutine.
func (k *task) enter(e drive.End) func() {
	if n := k.inside[e].Add(1); n != 1 {
		k.t.Errorf("%d goroutines run direction %d", n, e)
	}
	if k.calls[e].Load() != 0 || k.finishes.Load() != 0 {
		k.t.Errorf("direction %d runs after it has concluded", e)
	}
	return func() { k.inside[e].Add(-1) }
}

func (k *task) Run(e drive.End) {
	defer k.enter(e)()
	for !k.ending.Load() {
		k.use(e)
		if f := k.read(e); f != nil {
			f()
			k.use(1 - e)
		} else if k.driver.Pausing() {
			return
		}
	}
}

func (k *task) Step(e drive.End) {
	defer k.enter(e)()
	if n := k.inside[1-e].Load(); n != 0 {
		k.t.Errorf("a direction is served while %d goroutines run the other one", n)
	}
	k.use(e)
	if f := k.read(e); f != nil {
		f()
		k.use(1 - e)
	}
}

func (k *task) Conclude(e drive.End) {
	k.use(device)
	k.use(broker)
	if !k.ending.Load() {
		k.t.Errorf("direction %d concluded while the task goes on", e)
	}
	if n := k.calls[e].Add(1); n != 1 {
		k.t.Errorf("direction %d concluded %d times", e, n)
	}
}

func (k *task) Finish() {
	if k.calls[device].Load() != 1 || k.calls[broker].Load() != 1 {
		k.t.Error("finished before both directions had concluded")
	}
	if n := k.finishes.Add(1); n != 1 {
		k.t.Errorf("finished %d times", n)
	}
}

func (k *task) Ending() bool { return k.ending.Load() }

func (k *task) SetReadDeadline(t time.Time) {
	k.use(device)
	k.use(broker)
	k.change(func() { k.deadline = !t.IsZero() })
}

func (k *task) Interrupt() {
	k.use(device)
	k.use(broker)
	if k.finishes.Load() != 0 {
		k.t.Error("interrupted after it was finished")
	}
	k.change(func() { k.stopped = true })
}

func (k *task) Cut() { k.change(func() { k.cuts++; k.stopped = true }) }

func (k *task) Attached(err error) {
	if err != nil {
		k.kept = append(k.kept, err)
	}
}
func (k *task) Detached() {}

var errFull = errors.New("no more places")

// replace is what Attach and Detach do with the connections.
func (k *task) replace() {
	for e := range k.wires {
		k.wires[e]++
	}
}

func (k *task) Attach() error {
	k.replace()
	k.change(func() {
		k.attaches++
		k.attached = k.refuse == nil
	})
	return k.refuse
}

func (k *task) Detach() {
	k.replace()
	k.change(func() {
		if !k.attached {
			k.t.Error("detached without being attached")
		}
		k.attached = false
	})
}

func (k *task) Block() {
	if k.driver.Blocked() {
		k.blocked.Add(1)
	}
}

func (k *task) Leave() {
	if k.left++; k.left != 1 || k.attached {
		k.t.Errorf("the registration was left %d times, attached: %t", k.left, k.attached)
	}
}

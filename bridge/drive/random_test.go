package drive_test

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge/drive"
)

// patience is how long a task may take to finish after it was ended.
const patience = 30 * time.Second

// loop serves a task as package loop does: one goroutine waits at a time, and another one once that is given away.
type loop struct {
	*task
	wg         sync.WaitGroup
	generation int  // guarded by mu
	closed     bool // guarded by mu
}

func (l *loop) Block() {
	if l.driver.Blocked() {
		l.change(func() { l.generation++ })
		l.start()
	}
}

func (l *loop) start() {
	l.mu.Lock()
	generation := l.generation
	l.mu.Unlock()
	l.wg.Go(func() { l.run(generation) })
}

func (l *loop) run(generation int) {
	for {
		e, ok := l.wait(generation)
		if !ok {
			return
		}
		l.driver.Ready(e)
		runtime.Gosched()
	}
}

// wait returns an end with something to read.
func (l *loop) wait(generation int) (drive.End, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.generation == generation && !l.closed {
		for _, e := range []drive.End{device, broker} {
			if l.attached && len(l.work[e]) > 0 {
				return e, true
			}
		}
		l.changed.Wait()
	}
	return 0, false
}

// TestRandomSchedules runs tasks with several goroutines that do at random what the rest of the program may do. The task checks that each
// direction has one goroutine at most and concludes once, and that it is finished once and last; that nobody uses a connection that is being
// replaced the race detector checks; and that no wake-up is lost shows in that the task finishes.
func TestRandomSchedules(t *testing.T) {
	const rounds = 400
	for seed := range uint64(rounds) {
		if randomSchedule(t, seed); t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomSchedule(t *testing.T, seed uint64) {
	l := &loop{task: &task{t: t}}
	l.changed.L = &l.mu
	l.driver.Init(l.task)
	r := rand.New(rand.NewPCG(seed, 1))
	if r.IntN(8) == 0 {
		l.refuse = errFull
	}
	l.driver.Register(func() (drive.Registration, error) { return l, nil })
	l.start()
	l.wg.Go(l.driver.Run)
	var wg sync.WaitGroup
	for part, act := range []func(r *rand.Rand){l.feed, l.feed, l.watch, l.ping} {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(2+part)))
			for range r.IntN(40) {
				act(r)
			}
		})
	}
	switch r.IntN(3) {
	case 0: // the end comes from within
		l.do(drive.End(r.IntN(2)), l.endOnce)
		wg.Wait()
	case 1: // or when nothing else goes on
		wg.Wait()
	case 2: // or at any time
		pass(r)
	}
	l.endOnce()
	if r.IntN(4) == 0 && l.driver.Kill() {
		l.Cut()
	}
	wg.Wait()
	for deadline := time.Now().Add(patience); l.finishes.Load() == 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("seed %d: the task does not finish", seed)
		}
	}
	l.change(func() { l.closed = true })
	l.wg.Wait()
	if l.left != 1 {
		t.Errorf("the registration was left %d times", l.left)
	}
}

// endOnce ends the task unless that was done.
func (l *loop) endOnce() {
	if l.ending.CompareAndSwap(false, true) {
		l.driver.Wake()
	}
}

// pass lets others run for a while.
func pass(r *rand.Rand) {
	for range r.IntN(200) {
		runtime.Gosched()
	}
}

// feed queues work: some of it counts, some of it waits, as in a write that finds no room.
func (l *loop) feed(r *rand.Rand) {
	e, kind, n := drive.End(r.IntN(2)), r.IntN(4), r.IntN(50)
	l.do(e, func() {
		switch kind {
		case 0:
			if l.driver.Count(e, 4<<10) {
				l.driver.Pause()
			}
		case 1:
			l.driver.Block()
			for range n {
				runtime.Gosched()
			}
		}
	})
	pass(r)
}

// watch does what the bridge's watch does.
func (l *loop) watch(r *rand.Rand) {
	switch r.IntN(5) {
	case 0:
		l.driver.CarryOn()
	case 1:
		l.driver.WithEnds(func() { l.use(device); l.use(broker) })
	default:
		l.driver.Pause()
	}
	pass(r)
}

// ping writes to the device beside both directions, and may find no room.
func (l *loop) ping(r *rand.Rand) {
	if l.driver.BeginPing() {
		l.use(device)
		if r.IntN(2) == 0 {
			l.Block()
		}
		pass(r)
		l.use(device)
		l.driver.EndPing()
	}
	pass(r)
}

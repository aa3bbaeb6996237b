package drive_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge/drive"
)

// scene is a task in a bubble. Each method returns when nothing moves any more.
type scene struct {
	*task
	began bool
}

// inBubble runs a test with a task that has two goroutines, and checks that it finishes.
func inBubble(t *testing.T, test func(s *scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{task: newTask(t)}
		test(s)
		s.begin()
		s.end()
		synctest.Wait()
		if s.finishes.Load() != 1 || s.left != 1 {
			t.Errorf("finished %d times, left its registration %d times", s.finishes.Load(), s.left)
		}
	})
}

func (s *scene) begin() {
	if !s.began {
		s.began = true
		go s.driver.Run()
	}
	synctest.Wait()
}

func (s *scene) pause() {
	s.begin()
	s.driver.Pause()
	synctest.Wait()
}

// attach brings the task to where no goroutine runs it.
func (s *scene) attach() {
	s.t.Helper()
	s.pause()
	s.expect(true)
}

// expect checks whether the task is attached and nothing else runs it.
func (s *scene) expect(attached bool) {
	s.t.Helper()
	synctest.Wait()
	if s.attached != attached {
		s.t.Fatalf("attached: %t, want %t", s.attached, attached)
	}
	for e := range s.inside {
		if n := s.inside[e].Load(); attached == (n > 0) {
			s.t.Fatalf("attached: %t, and %d goroutines run direction %d", attached, n, e)
		}
	}
}

// works checks that both directions do something without waiting for each other.
func (s *scene) works() {
	s.t.Helper()
	for _, e := range []drive.End{device, broker} {
		done := false
		s.do(e, func() { done = true })
		if s.attached {
			s.driver.Ready(e)
		}
		if synctest.Wait(); !done {
			s.t.Fatalf("direction %d stands still", e)
		}
	}
}

// stall has a direction wait until the function is called. If the task is being served it blocks before, as a write does.
func (s *scene) stall(e drive.End) (carryOn func()) {
	gate := make(chan struct{})
	s.do(e, func() {
		s.driver.Block()
		<-gate
	})
	if s.attached {
		go s.driver.Ready(e)
	}
	synctest.Wait()
	return sync.OnceFunc(func() {
		close(gate)
		synctest.Wait()
	})
}

func eachEnd(t *testing.T, test func(s *scene, e drive.End)) {
	for e, name := range []string{device: "device", broker: "broker"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *scene) { test(s, drive.End(e)) })
		})
	}
}

func TestBothDirectionsRun(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		s.expect(false)
		s.works()
	})
}

func TestPauseAttaches(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.attach()
		s.works()
		s.expect(true)
		s.pause() // there is nothing to pause
		s.works()
		if s.attaches != 1 {
			t.Errorf("attached %d times", s.attaches)
		}
	})
}

// TestPauseWhileOneStalls: the direction that has ended is started again, since the stalled one may wait for what it would read.
func TestPauseWhileOneStalls(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.begin()
		carryOn := s.stall(e)
		s.pause()
		if n := s.inside[1-e].Load(); n != 0 || s.attached {
			s.t.Errorf("the other direction has %d goroutines, attached: %t", n, s.attached)
		}
		s.driver.CarryOn()
		done := false
		s.do(1-e, func() { done = true })
		if synctest.Wait(); !done {
			s.t.Error("the direction that had ended was not started again")
		}
		carryOn()
		s.expect(false)
		s.works()
		s.attach()
	})
}

// TestPauseEndsAStall: nobody calls CarryOn, and the stalled direction attaches the task when it is through.
func TestPauseEndsAStall(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.begin()
		carryOn := s.stall(e)
		s.pause()
		carryOn()
		s.expect(true)
		s.driver.CarryOn() // too late
		s.expect(true)
		s.works()
	})
}

// TestPauseWhileBothStall: none has ended, so there is none to start again, and the pause stays.
func TestPauseWhileBothStall(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		carryOn := []func(){s.stall(device), s.stall(broker)}
		s.pause()
		s.driver.CarryOn()
		for _, f := range carryOn {
			f()
		}
		s.expect(true)
	})
}

func TestCarryOnWithoutAPause(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		s.driver.CarryOn()
		s.expect(false)
		s.works()
	})
}

// TestAttachFails: the task keeps its goroutines for good.
func TestAttachFails(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.refuse = errFull
		s.pause()
		s.expect(false)
		s.works()
		s.pause()
		s.works()
		if s.attaches != 1 || s.left != 1 || len(s.kept) != 1 || !errors.Is(s.kept[0], errFull) {
			t.Errorf("attached %d times, left %d times, told %v", s.attaches, s.left, s.kept)
		}
	})
}

func TestWithoutRegistration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{task: &task{t: t}}
		s.changed.L = &s.mu
		s.driver.Init(s.task)
		s.driver.Register(func() (drive.Registration, error) { return nil, errFull })
		s.pause()
		s.expect(false)
		s.works()
		s.end()
		if synctest.Wait(); s.finishes.Load() != 1 {
			t.Errorf("finished %d times", s.finishes.Load())
		}
	})
}

// TestNoRegistrationForWhoIsEnding: its connections are being closed, and a registration would replace them.
func TestNoRegistrationForWhoIsEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{task: &task{t: t}}
		s.changed.L = &s.mu
		s.driver.Init(s.task)
		s.end()
		s.driver.Register(func() (drive.Registration, error) { t.Error("asked for a registration"); return nil, errFull })
		s.begin()
		if s.finishes.Load() != 1 {
			t.Errorf("finished %d times", s.finishes.Load())
		}
	})
}

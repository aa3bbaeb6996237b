package drive_test

import (
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge/drive"
)

// TestEnd ends a task wherever it may be. inBubble checks that it finishes once, after both directions.
func TestEnd(t *testing.T) {
	for name, test := range map[string]func(s *scene, e drive.End) (carryOn func()){
		"before it runs": func(*scene, drive.End) func() { return nil },
		"running":        func(s *scene, _ drive.End) func() { s.begin(); return nil },
		"attached":       func(s *scene, _ drive.End) func() { s.attach(); return nil },
		"stalled": func(s *scene, e drive.End) func() {
			s.begin()
			return s.stall(e)
		},
		"one rests": func(s *scene, e drive.End) func() {
			s.begin()
			carryOn := s.stall(e)
			s.pause()
			return carryOn
		},
		"blocked": func(s *scene, e drive.End) func() {
			s.attach()
			return s.stall(e)
		},
		"blocked, and one rests": func(s *scene, e drive.End) func() {
			s.attach()
			carryOn := s.stall(e)
			s.pause()
			return carryOn
		},
		"pinged": func(s *scene, _ drive.End) func() {
			s.attach()
			s.driver.BeginPing()
			return s.driver.EndPing
		},
		"blocked by a ping": func(s *scene, _ drive.End) func() {
			s.attach()
			s.driver.BeginPing()
			s.Block()
			return s.driver.EndPing
		},
		"kept by a ping": func(s *scene, _ drive.End) func() {
			s.begin()
			s.driver.BeginPing()
			s.pause()
			return s.driver.EndPing
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachEnd(t, func(s *scene, e drive.End) {
				carryOn := test(s, e)
				s.end()
				synctest.Wait()
				if carryOn != nil {
					carryOn()
				}
				if name != "before it runs" && !s.stopped {
					t.Error("the connections were not interrupted")
				}
				s.driver.Pause() // the watch comes too late
				s.driver.CarryOn()
			})
		})
	}
}

// TestEndFromWithin: what is served ends the task itself.
func TestEndFromWithin(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.attach()
		s.do(e, s.end)
		s.driver.Ready(e)
		if synctest.Wait(); s.finishes.Load() != 1 {
			s.t.Error("not finished")
		}
	})
}

// TestLateWake: a direction sees that the task is ending and concludes before Wake is called. The one that rests still has to be started,
// and the other one must not be.
func TestLateWake(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.begin()
		carryOn := s.stall(e)
		s.pause()
		s.ending.Store(true)
		carryOn()
		if s.calls[e].Load() != 1 || s.finishes.Load() != 0 {
			s.t.Fatalf("concluded %d times, finished %d times", s.calls[e].Load(), s.finishes.Load())
		}
		s.driver.Wake()
		if synctest.Wait(); s.finishes.Load() != 1 {
			s.t.Error("the direction that rests was not woken")
		}
	})
}

// TestLateWakeOfRunning: the other direction waits in a read that only Wake ends.
func TestLateWakeOfRunning(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.begin()
		s.ending.Store(true)
		s.do(e, func() {})
		synctest.Wait()
		s.driver.Wake()
		if synctest.Wait(); s.finishes.Load() != 1 {
			s.t.Error("the direction that reads was not woken")
		}
	})
}

// TestKill: connections are closed at once, but for those that a loop uses: these when they are those of goroutines again.
func TestKill(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		s.ending.Store(true)
		if !s.driver.Kill() {
			t.Error("the caller has to close the connections")
		}
		s.driver.Wake()
	})
	eachEnd(t, func(s *scene, e drive.End) {
		s.attach()
		s.do(e, func() {
			s.end()
			if s.driver.Kill() {
				s.t.Error("connections in use by a loop are to be closed")
			}
			if s.cuts != 0 {
				s.t.Error("they were closed")
			}
		})
		s.driver.Ready(e)
		if synctest.Wait(); s.cuts != 1 {
			s.t.Errorf("they were closed %d times", s.cuts)
		}
	})
}

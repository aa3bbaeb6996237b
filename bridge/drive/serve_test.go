package drive_test

import (
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge/drive"
)

// TestBlocked: who waits while it is served becomes a goroutine of the task, and the other direction gets one too.
func TestBlocked(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.attach()
		s.driver.Pause() // it is attached: that has no effect later
		carryOn := s.stall(e)
		if s.attached || s.blocked.Load() != 1 {
			s.t.Fatalf("attached: %t, the loop's goroutine was given away %d times", s.attached, s.blocked.Load())
		}
		done := false
		s.do(1-e, func() { done = true })
		if synctest.Wait(); !done {
			s.t.Error("the other direction waits too")
		}
		carryOn()
		s.expect(false)
		s.works()
		s.attach()
		s.works()
	})
}

// TestBlockedPing: both directions get goroutines, the loop keeps its own, and the task attaches again only after the ping.
func TestBlockedPing(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.attach()
		if !s.driver.BeginPing() {
			t.Fatal("a ping may not be written")
		}
		s.do(device, func() {})
		s.driver.Ready(device) // it is served the ping
		if len(s.work[device]) != 1 {
			t.Error("a direction was served beside the ping")
		}
		s.Block()
		s.expect(false)
		if s.blocked.Load() != 0 {
			t.Error("the loop's goroutine was given away, and it had nothing to do with it")
		}
		s.works()
		s.pause()
		s.expect(false)
		s.driver.EndPing()
		s.works()
		s.attach()
	})
}

func TestPingWhileServed(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.attach()
		s.do(e, func() {
			if s.driver.BeginPing() {
				s.t.Error("a ping may be written while something else is served")
			}
			if !s.driver.Serving() {
				s.t.Error("not serving")
			}
		})
		s.driver.Ready(e)
		s.expect(true)
		if !s.driver.BeginPing() {
			s.t.Fatal("a ping may not be written")
		}
		s.driver.EndPing()
		s.expect(true)
		s.works()
	})
}

// TestPingWithGoroutines: it keeps the task from being attached while it is written.
func TestPingWithGoroutines(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		if !s.driver.BeginPing() {
			t.Fatal("a ping may not be written")
		}
		s.pause()
		s.expect(false)
		s.works()
		s.driver.EndPing()
		s.expect(false)
		s.attach()
	})
}

// TestBlockedByNobody: a late call of one that the task has not waited for.
func TestBlockedByNobody(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.begin()
		s.driver.Block()
		if s.driver.Blocked() {
			t.Error("a task with goroutines was blocked")
		}
		s.attach()
		if s.driver.Block(); s.driver.Blocked() {
			t.Error("a task that is not served was blocked")
		}
		s.expect(true)
	})
}

// TestReadyWithGoroutines: an event that the loop had taken before.
func TestReadyWithGoroutines(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		s.begin()
		s.driver.Ready(e)
		s.expect(false)
	})
}

// TestOneWayStream: many large reads in one direction are better with goroutines; with answers between them they are not.
func TestOneWayStream(t *testing.T) {
	const many, large = 40, 4 << 10
	serve := func(s *scene, e drive.End, n int) {
		s.do(e, func() {
			if s.driver.Count(e, n) {
				s.t.Error("settled while it is served")
			}
		})
		s.driver.Ready(e)
	}
	eachEnd(t, func(s *scene, e drive.End) {
		s.attach()
		for range many {
			serve(s, e, large)
			serve(s, 1-e, 2)
		}
		for range many {
			serve(s, e, large)
			serve(s, e, 2)
		}
		s.expect(true)
		for range many {
			if s.attached {
				serve(s, e, large)
			}
		}
		s.expect(false)
	})
}

func TestSettlesOnce(t *testing.T) {
	eachEnd(t, func(s *scene, e drive.End) {
		settled := 0
		for range 100 {
			if s.driver.Count(e, 1) {
				settled++
			}
		}
		if settled != 1 {
			s.t.Errorf("settled %d times", settled)
		}
	})
}

// TestWithEnds: nobody touches connections that are a loop's, or are being closed.
func TestWithEnds(t *testing.T) {
	inBubble(t, func(s *scene) {
		used := 0
		use := func(want bool) {
			t.Helper()
			if s.driver.WithEnds(func() { used++ }) != want {
				t.Errorf("may be used: %t", !want)
			}
		}
		s.begin()
		use(true)
		s.attach()
		use(false)
		s.end()
		s.driver.Kill()
		use(false)
		if used != 1 {
			t.Errorf("used %d times", used)
		}
	})
}

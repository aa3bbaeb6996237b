package bridge

import (
	"context"
	"time"

	"mqtt-ws-bridge/bridge/reason"
)

// Drain refuses new sessions from now on and ends those there are, at most rate in a second, so that their devices do not come
// back all at once. It returns when none is left, or when ctx ends: then the rest is cut, and their number returned.
func (b *Bridge) Drain(ctx context.Context, rate int) (cut int) {
	b.draining.Store(true)
	defer b.events.Flush()
	ticker := time.NewTicker(time.Second / time.Duration(max(rate, 1)))
	defer ticker.Stop()
	for _, s := range b.snapshot(nil) {
		if s.ending() {
			continue
		}
		s.end(reason.Shutdown, nil)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return b.cut()
		}
	}
	return b.await(ctx)
}

// await waits until the last session has ended.
func (b *Bridge) await(ctx context.Context) (cut int) {
	ticker := time.NewTicker(drainPoll)
	defer ticker.Stop()
	for b.Sessions() > 0 {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return b.cut()
		}
	}
	return 0
}

// drainPoll is how often a drain looks whether it is over.
const drainPoll = 20 * time.Millisecond

// cut ends all sessions at once and returns how many there were.
func (b *Bridge) cut() int {
	sessions := b.snapshot(nil)
	for _, s := range sessions {
		s.end(reason.Cut, nil)
		s.kill()
	}
	return len(sessions)
}

// kill closes both connections of a session that is ending, whatever is being said on them.
func (s *session) kill() {
	if s.driver.Kill() {
		s.closeBoth()
	}
}

// closeBoth does not hold mu while it closes: TLS may want to say something first.
func (s *session) closeBoth() {
	s.dev.Close()
	s.mu.Lock()
	broker := s.broker.Conn
	s.mu.Unlock()
	if broker != nil {
		broker.Close()
	}
}

// Draining reports whether Drain or Close was called.
func (b *Bridge) Draining() bool { return b.draining.Load() }

// Close cuts all sessions and waits until everything the bridge started has ended.
func (b *Bridge) Close() {
	b.draining.Store(true)
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cut()
	b.stopWatch()
	b.wg.Wait()
	b.events.Flush()
}

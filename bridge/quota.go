package bridge

import (
	"math"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/police"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Quota is what one session may use beside others that share in the same. Its methods are safe for concurrent use and do not wait.
type Quota interface {
	// Connect is told the user name in CONNECT, nil if there is none, which nobody has proved yet. It says why the device is
	// refused, or nil.
	Connect(username []byte) *reason.Reason
	// Accepted is told that a broker has accepted the device. It says why the session has to end all the same, or nil.
	Accepted() *reason.Reason
	// Use counts messages and bytes that were moved and returns for how long nothing more is to be read in that direction, and
	// how many packets may be moved at a time then; 0: any.
	Use(d mqttio.Direction, messages, bytes int) (wait time.Duration, run int)
	// Changed is closed when the limits become others, and Again says then how long a wait is that Use has imposed.
	Changed() <-chan struct{}
	Again(d mqttio.Direction) (wait time.Duration, run int)
	// Leave is called when the session is over or was refused. It may be called more than once.
	Leave()
}

// usage is what a pump knows of its quota.
type usage struct {
	// Owned by the pump.
	published, moved uint64 // of the tally: what was counted already
	time             time.Duration

	throttled atomic.Uint32 // odd while the pump is throttled
}

// quotaKinds are the values of the label quota.
func quotaKinds() []string {
	kinds := []string{mqttio.Up.String(), mqttio.Down.String(), police.QuotaSubscriptions, police.QuotaTopicLevels, police.QuotaFilters}
	for _, r := range []*reason.Reason{
		reason.AddressConnections, reason.AddressRate, reason.IdentityConnections, reason.IdentityRate, reason.ConnectRate, reason.ControlFlood,
	} {
		kinds = append(kinds, r.Label)
	}
	return kinds
}

// hold counts what the pump has moved and waits until that is within the quota. Nothing is read meanwhile: that is how the sender
// hears of it. It reports whether the session goes on.
func (s *session) hold(p *pump) bool {
	if s.quota == nil {
		return true
	}
	t, u, st := &p.tally, &p.usage, &p.stream
	messages, bytes := t.published-u.published, t.moved-u.moved
	if bytes == 0 && p == &s.down && stage(s.stage.Load()) != stageOnline {
		return true // CONNACK is waited for: what others owe is no reason to take the broker for dead
	}
	u.published, u.moved = t.published, t.moved
	changed := s.quota.Changed()
	wait, run := s.quota.Use(st.Direction, clamp(messages), clamp(bytes))
	st.MaxRun = run
	if wait <= 0 {
		return true
	}
	s.b.metrics.exceeded(st.Direction.String())
	s.driver.Block()
	began := s.b.now()
	u.throttled.Add(1)
	defer func() {
		u.throttled.Add(1)
		u.time += s.b.now() - began
	}()
	for wait > 0 {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = 0
		case <-changed:
			changed = s.quota.Changed()
			wait, st.MaxRun = s.quota.Again(st.Direction)
		case <-s.stop:
			timer.Stop()
			return false
		}
		timer.Stop()
	}
	return true
}

func clamp(n uint64) int { return int(min(n, math.MaxInt32)) }

// leaveQuota gives back what the session had of its quota.
func (s *session) leaveQuota() {
	if s.quota != nil {
		s.quota.Leave()
	}
}

package budget

import (
	"log/slog"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/reason"
)

// resource is one thing that may run out. Pressure on it begins when a device is refused for want of it, or would be, and ends
// when that has not been so for some seconds: the log tells both, however many devices come meanwhile.
type resource struct {
	// Set once.
	name   string
	reason *reason.Reason
	limit  int64

	used     atomic.Int64
	full     atomic.Bool            // no room, when it was looked at last
	counting atomic.Int32           // looks for which it counts as full whatever they show
	failure  atomic.Pointer[string] // what could not be done for want of it, since the last look
	refused  atomic.Uint64          // devices, ever

	// Owned by Run.
	pressed bool
	since   time.Duration // when the pressure began
	last    time.Duration // when it was seen last
	counted uint64        // refused, at the last look
	before  uint64        // refused, when the pressure began
}

const (
	shortFor = time.Second      // after a failure
	calm     = 10 * time.Second // without pressure, until it has ended
)

// short notes a failure.
func (r *resource) short(err error) {
	text := err.Error()
	r.failure.Store(&text)
	r.counting.Store(int32(shortFor / lookEach))
	r.full.Store(true)
}

// see notes what a look has shown. Called by Run only.
func (r *resource) see(used int64, full bool) {
	r.used.Store(used)
	if r.counting.Load() > 0 {
		r.counting.Add(-1)
	}
	r.full.Store(full)
	if r.counting.Load() > 0 { // asked last: short may have come between
		r.full.Store(true)
	}
}

// tell logs that pressure begins or has ended. Called by Run only.
func (r *resource) tell(log *slog.Logger, now time.Duration) {
	failure, refused := r.failure.Swap(nil), r.refused.Load()
	felt := r.full.Load() || refused != r.counted || failure != nil
	if felt {
		r.last = now
	}
	switch {
	case felt && !r.pressed:
		r.pressed, r.since, r.before = true, now, r.counted
		attrs := []any{"resource", r.name, "reason", r.reason.Label}
		if r.limit > 0 {
			attrs = append(attrs, "used", r.used.Load(), "limit", r.limit)
		}
		if failure != nil {
			attrs = append(attrs, "error", *failure)
		}
		log.Warn("running short; new devices get 503", attrs...)
	case r.pressed && now-r.last >= calm:
		r.pressed = false
		log.Info("no longer short; new devices are taken", "resource", r.name,
			"refused", refused-r.before, "after", (r.last - r.since).Round(time.Millisecond))
	}
	r.counted = refused
}

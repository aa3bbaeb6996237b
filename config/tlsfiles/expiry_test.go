package tlsfiles_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/internal/certs"
)

const day = 24 * time.Hour

// TestExpiryIsRepeated: a certificate that expires is told of once a day, and whenever somebody asks for a reload, from a week before on.
func TestExpiryIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		pair := certs.New(t).Lasting(t, now.Add(-day), now.Add(90*day), "bridge.test")
		r := newRig(t, files(pair))
		r.log.reset()
		pass := func(days int) (told int) {
			for range days * 24 {
				time.Sleep(time.Hour)
				r.Look()
			}
			told = strings.Count(r.log.String(), "TLS files need attention")
			r.log.reset()
			return told
		}
		if n := pass(82); n != 0 || r.Expiring() != nil {
			t.Errorf("with more than a week left: told %d times, %q", n, r.Expiring())
		}
		if n := pass(7); n < 5 || n > 7 {
			t.Errorf("in the last week: told %d times, want once a day", n)
		}
		if got := r.Expiring(); len(got) != 1 || !strings.Contains(got[0], pair.CertFile+" expires on ") {
			t.Errorf("in the last week: %q", got)
		}
		if n := pass(10); n < 9 || n > 11 {
			t.Errorf("after the end: told %d times, want once a day", n)
		}
		if err := r.Reload(); err != nil || strings.Count(r.log.String(), "expired on ") != 1 {
			t.Errorf("after a reload that changes nothing: %v\n%s", err, r.log)
		}
		if got := r.Expiring(); len(got) != 1 || !strings.Contains(got[0], pair.CertFile+" expired on ") {
			t.Errorf("after the end: %q", got)
		}
		if got := files(pair).Expiring(); len(got) != 1 {
			t.Errorf("of the files: %q", got)
		}
	})
}

// TestShortLives: what is good for a day is not complained of all day, but late.
func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, now := certs.New(t), time.Now()
		short := ca.Lasting(t, now, now.Add(day), "bridge.test")
		r := newRig(t, files(short))
		for _, c := range []struct {
			after time.Duration
			notes int
		}{{0, 0}, {17 * time.Hour, 0}, {2 * time.Hour, 1}, {6 * time.Hour, 1}} {
			time.Sleep(c.after)
			if got := r.Expiring(); len(got) != c.notes {
				t.Errorf("after %v: %q", time.Since(now), got)
			}
		}
	})
}

// TestTheChainExpires: an authority's certificate in the file counts as well, and in the metric.
func TestTheChainExpires(t *testing.T) {
	ca := certs.New(t)
	pair := ca.Lasting(t, time.Now(), time.Now().Add(1000*day), "bridge.test")
	ca.Chain(t, pair)
	r := newRig(t, files(pair))
	if at := r.counted("certificate_expiry_timestamp_seconds", pair.CertFile, "devices"); at > float64(time.Now().Add(999*day).Unix()) {
		t.Errorf("the metric says %v, the end of the first certificate alone", at)
	}
}

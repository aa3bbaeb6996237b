package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	soonest     = 7 * 24 * time.Hour // before its end, something that lasts for long is complained of
	remindEvery = 24 * time.Hour
)

// validity is until when something in a file is good.
type validity struct {
	end  time.Time
	soon time.Time // from when on that is complained of
}

// lasts notes when a file expires: with the first thing in it that does. What is good for a short time is renewed late in it, so it is
// complained of in the last quarter of that time.
func (l *loaded) lasts(file string, from, to time.Time) {
	if was, ok := l.expiry[file]; !ok || to.Before(was.end) {
		l.expiry[file] = validity{to, to.Add(-min(soonest, to.Sub(from)/4))}
	}
}

// chainLasts notes when the first certificate of a chain expires.
func (l *loaded) chainLasts(file string, cert *tls.Certificate) {
	l.lasts(file, cert.Leaf.NotBefore, cert.Leaf.NotAfter)
	for _, der := range cert.Certificate[1:] {
		if issuer, err := x509.ParseCertificate(der); err == nil {
			l.lasts(file, issuer.NotBefore, issuer.NotAfter)
		}
	}
}

// expiring says of each file that has expired, or will before long, when.
func (l *loaded) expiring(now time.Time) (notes []string) {
	for _, file := range slices.Sorted(maps.Keys(l.expiry)) {
		v := l.expiry[file]
		switch at := v.end.UTC().Format(time.DateTime); {
		case now.After(v.end):
			notes = append(notes, fmt.Sprintf("%s expired on %s UTC", file, at))
		case now.After(v.soon):
			notes = append(notes, fmt.Sprintf("%s expires on %s UTC", file, at))
		}
	}
	return notes
}

// Expiring says of each file in use that has expired, or will within a week or the last quarter of its time, when.
func (s *Store) Expiring() []string { return s.current.Load().expiring(time.Now()) }

// remind logs what expires, once a day unless asked. The caller holds mu.
func (s *Store) remind(asked bool) {
	if now := time.Now(); asked || now.Sub(s.reminded) >= remindEvery {
		s.complain(s.current.Load().expiring(now))
		s.reminded = now
	}
}

// complain logs what stops nothing yet.
func (s *Store) complain(notes []string) {
	for _, note := range notes {
		s.opts.Log.Warn("TLS files need attention", "use", s.opts.Use, "error", note)
	}
}

// Expiring reads the files and says of each that has expired, or will before long, when. Files that cannot be read are passed over.
func (s Server) Expiring() []string { return expiring(s) }

// Expiring is the same for the side of brokers.
func (c Client) Expiring() []string { return expiring(c) }

func expiring(s source) []string {
	files, _, err := read(s)
	if err != nil {
		return nil
	}
	l, err := s.load(files)
	if err != nil {
		return nil
	}
	return append(l.notes, l.expiring(time.Now())...)
}

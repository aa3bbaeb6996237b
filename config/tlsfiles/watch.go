package tlsfiles

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle = 300 * time.Millisecond // from the last change to looking: a certificate and its key are written one after the other
	patrol = time.Minute            // between looks where no change is reported: network file systems, replaced directories
)

// Run looks at the files whenever something in their directories changes, and once a minute, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var faults <-chan error
	if w, err := s.watch(); err != nil {
		s.opts.Log.Warn("TLS files are looked at once a minute only", "use", s.opts.Use, "error", err.Error())
	} else {
		defer w.Close()
		events, faults = w.Events, w.Errors
	}
	patrols := time.NewTicker(patrol)
	defer patrols.Stop()
	changed := time.NewTimer(0) // files may have changed between loading them and watching them
	defer changed.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
			changed.Reset(settle)
			continue
		case <-faults: // events were lost, it may be
			changed.Reset(settle)
			continue
		case <-changed.C:
		case <-patrols.C:
		}
		s.mu.Lock()
		_ = s.reload(false) // logged, and the old ones stay
		s.mu.Unlock()
	}
}

// watch watches the directories of the files rather than the files: these are replaced, not written, by those who renew them.
func (s *Store) watch() (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	names, optional := s.source.files()
	watched := make(map[string]bool)
	for _, name := range append(names, optional...) {
		dir := filepath.Dir(name)
		if watched[dir] {
			continue
		}
		if err := w.Add(dir); err != nil {
			w.Close()
			return nil, err
		}
		watched[dir] = true
	}
	return w, nil
}

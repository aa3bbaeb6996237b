package filewatch

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settle = 300 * time.Millisecond // from the last change to looking: files that belong together are written one after the other
	patrol = time.Minute            // between looks where no change is reported: network file systems, replaced directories
)

// Run calls look whenever something in the directories of the files has changed, once at the beginning, since files may have
// changed between reading and watching them, and once a minute, until ctx ends. Calls do not overlap. If changes cannot be
// watched, it calls unwatched with the reason and looks once a minute only.
func Run(ctx context.Context, files []string, look func(), unwatched func(error)) {
	run(ctx, files, nil, look, unwatched)
}

// run is Run, and ends when others is ready too.
func run(ctx context.Context, files []string, others <-chan struct{}, look func(), unwatched func(error)) {
	var events <-chan fsnotify.Event
	var faults <-chan error
	if w, err := watch(files); err != nil {
		unwatched(err)
	} else {
		defer w.Close()
		events, faults = w.Events, w.Errors
	}
	patrols := time.NewTicker(patrol)
	defer patrols.Stop()
	changed := time.NewTimer(0)
	defer changed.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-others:
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
		look()
	}
}

// watch watches the directories of the files rather than the files: these are replaced, not written, by those who renew them.
func watch(files []string) (*fsnotify.Watcher, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	watched := make(map[string]bool)
	for _, name := range files {
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

// maxFile bounds what Sum reads of a file. A change beyond it goes unseen: nobody who uses Sum reads that far.
const maxFile = 16<<20 + 1

// Sum is another when one of the files has another content, or can be read when it could not or the other way round.
func Sum(files []string) [sha256.Size]byte {
	sum := sha256.New()
	for i, name := range files {
		if err := add(sum, name); err != nil {
			fmt.Fprintf(sum, "error %s", err)
		}
		fmt.Fprintf(sum, "\nend of %d\n", i)
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

func add(to io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, io.LimitReader(f, maxFile))
	return err
}

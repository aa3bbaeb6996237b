package filewatch_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"mqtt-ws-bridge/config/filewatch"
)

// TestFilesAreReplaced: what is watched is what the list has now.
func TestFilesAreReplaced(t *testing.T) {
	one, two := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	write(t, one, "1")
	write(t, two, "1")
	files := filewatch.NewFiles(nil)
	looks := make(chan struct{}, 1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		files.Run(ctx, func() {
			select {
			case looks <- struct{}{}:
			default:
			}
		}, func(err error) { t.Error(err) })
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, names := range [][]string{{one}, {two}, nil, {one, two}} {
		files.Replace(names)
		for _, name := range names {
			await(t, looks, "when there are other files")
			write(t, name, "2")
			await(t, looks, "after a change of "+name)
			write(t, name, "3") // a look that began before is not taken for this one's
		}
	}
	if got := files.Names(); len(got) != 2 {
		t.Errorf("the files are %q", got)
	}
	for i := range 1000 { // goleak looks at what is left
		files.Replace([]string{[]string{one, two}[i%2]})
	}
}

package filewatch

import (
	"context"
	"sync/atomic"
)

// Files is a list of files to watch, which may be replaced. Safe for concurrent use.
type Files struct {
	names    atomic.Pointer[[]string]
	replaced chan struct{} // of one: replaced twice is as good as once
}

// NewFiles returns a list of these files.
func NewFiles(names []string) *Files {
	f := &Files{replaced: make(chan struct{}, 1)}
	f.names.Store(&names)
	return f
}

// Names returns the files. They are not to be changed.
func (f *Files) Names() []string { return *f.names.Load() }

// Replace puts other files in their place.
func (f *Files) Replace(names []string) {
	f.names.Store(&names)
	select {
	case f.replaced <- struct{}{}:
	default:
	}
}

// Run is [Run] for the files of each moment. While there are none it waits for some.
func (f *Files) Run(ctx context.Context, look func(), unwatched func(error)) {
	for ctx.Err() == nil {
		if names := f.Names(); len(names) > 0 {
			run(ctx, names, f.replaced, look, unwatched)
			continue
		}
		select {
		case <-ctx.Done():
		case <-f.replaced:
		}
	}
}

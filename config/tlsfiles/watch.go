package tlsfiles

import (
	"context"
	"slices"
)

// Run looks at the files whenever something in their directories changes, and once a minute, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	s.watch.Run(ctx, func() { _ = s.look(false) }, func(err error) {
		s.opts.Log.Warn("TLS files are looked at once a minute only", "use", s.opts.Use, "error", err.Error())
	})
}

// allOf are the names of all files of a source.
func allOf(s source) []string {
	names, optional := s.files()
	return slices.Concat(names, optional)
}

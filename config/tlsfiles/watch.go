package tlsfiles

import (
	"context"

	"mqtt-ws-bridge/config/filewatch"
)

// Run looks at the files whenever something in their directories changes, and once a minute, until ctx ends.
func (s *Store) Run(ctx context.Context) {
	names, optional := s.source.files()
	filewatch.Run(ctx, append(names, optional...), func() { _ = s.look(false) }, func(err error) {
		s.opts.Log.Warn("TLS files are looked at once a minute only", "use", s.opts.Use, "error", err.Error())
	})
}

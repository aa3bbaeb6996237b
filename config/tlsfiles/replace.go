package tlsfiles

import (
	"crypto/sha256"
	"crypto/tls"
	"sync/atomic"
)

// Prepared holds the configuration that other files make, which can come into use in a [Store]. Dropped instead, it leaves nothing behind.
type Prepared struct {
	// Set once.
	store  *Store
	source source
	loaded *loaded
	seen   [sha256.Size]byte

	used atomic.Bool
}

// PrepareServer loads other files for a store of [NewServer]. The error says which file is at fault.
func (s *Store) PrepareServer(files Server) (*Prepared, error) { return s.prepare(files) }

// PrepareClient loads other files for a store of [NewClient].
func (s *Store) PrepareClient(files Client) (*Prepared, error) { return s.prepare(files) }

func (s *Store) prepare(files source) (*Prepared, error) {
	read, sum, err := read(files)
	if err != nil {
		return nil, err
	}
	l, err := files.load(read)
	if err != nil {
		return nil, err
	}
	return &Prepared{store: s, source: files, loaded: l, seen: sum}, nil
}

// Config returns the configuration that was prepared, and that of the store once it is in use. It must not be changed.
func (p *Prepared) Config() *tls.Config {
	if p.used.Load() {
		return p.store.Config()
	}
	return p.loaded.config
}

// Use puts the configuration into use: the store has these files from now on. It is called once at most.
func (p *Prepared) Use() {
	s := p.store
	s.mu.Lock()
	s.source, s.seen, s.fault = p.source, p.seen, ""
	s.use(p.loaded)
	s.mu.Unlock()
	p.used.Store(true)
	s.watch.Replace(allOf(p.source))
	if s.opts.Changed != nil {
		s.opts.Changed()
	}
}

// Discard removes what the metrics tell of a store that is not used after all.
func (s *Store) Discard() { s.opts.Metrics.forget(s.opts.Use) }

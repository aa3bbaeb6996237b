package tlsfiles

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/config/filewatch"
)

// Options are what a [Store] needs beside its files.
type Options struct {
	Use     string // in logs and metrics: "devices" or "upstream"
	Log     *slog.Logger
	Metrics *Metrics // nil: none
	Changed func()   // is called whenever another configuration has come into use; may be nil
}

// source is what files are turned into configurations by: a [Server] or a [Client].
type source interface {
	files() (names, optional []string)
	load(contents) (*loaded, error)
}

// Store holds the configuration that the files make, and replaces it when they change. It is safe for concurrent use.
type Store struct {
	// Set once.
	opts   Options
	server bool
	watch  *filewatch.Files

	current atomic.Pointer[loaded]

	mu     sync.Mutex // held while reloading; guards all below
	source source
	seen   [sha256.Size]byte // the files as they were when last tried
	fault  string            // what was wrong with them; "": nothing
	keys   [][32]byte        // of session tickets, the one in use first
	keyed  time.Time         // when that one was made

	reminded time.Time // when the log last told what expires
}

// NewServer loads the files for the side that devices reach. The error says which file is at fault.
func NewServer(files Server, opts Options) (*Store, error) { return newStore(files, true, opts) }

// NewClient loads the files for dialling brokers.
func NewClient(files Client, opts Options) (*Store, error) { return newStore(files, false, opts) }

func newStore(files source, server bool, opts Options) (*Store, error) {
	s := &Store{source: files, opts: opts, server: server, watch: filewatch.NewFiles(allOf(files))}
	s.opts.Metrics.declare(opts.Use)
	s.mu.Lock()
	defer s.mu.Unlock()
	read, sum, err := read(files)
	if err != nil {
		return nil, err
	}
	l, err := files.load(read)
	if err != nil {
		return nil, err
	}
	s.seen = sum
	s.use(l)
	return s, nil
}

// Config returns the configuration of now. It must not be changed. Use it for one handshake.
func (s *Store) Config() *tls.Config { return s.current.Load().config }

// ServerConfig returns a configuration for a listener: each handshake takes the one of its time.
func (s *Store) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         s.Config().MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.Config(), nil },
	}
}

// Revoked says whether the certificate that a device once showed is revoked now, and nil if not. Only a list that names it speaks
// against it: one that is missing keeps new devices out, and is no reason to end a whole fleet's sessions.
func (s *Store) Revoked(state *tls.ConnectionState) error {
	revoked := s.current.Load().revoked
	for _, chain := range state.VerifiedChains {
		if !errors.Is(revoked.checkChain(chain), errRevoked) {
			return nil
		}
	}
	if len(state.VerifiedChains) == 0 {
		return nil
	}
	return errRevoked
}

// Reload reads the files and uses them if they changed and are good. If not, what was in use stays, and the error, which is logged
// and counted too, says why.
func (s *Store) Reload() error { return s.look(true) }

// look is Reload, but says nothing about the same fault again unless told.
func (s *Store) look(say bool) error {
	before := s.current.Load()
	s.mu.Lock()
	err := s.reload(say)
	s.mu.Unlock()
	if s.opts.Changed != nil && s.current.Load() != before {
		s.opts.Changed()
	}
	return err
}

// reload is look without telling others. The caller holds mu.
func (s *Store) reload(say bool) error {
	files, sum, err := read(s.source)
	var l *loaded
	if err == nil {
		due := !s.current.Load().until.IsZero() && time.Now().After(s.current.Load().until)
		if sum == s.seen && s.fault == "" && !due {
			s.rotate()
			s.remind(say)
			return nil
		}
		s.seen = sum
		l, err = s.source.load(files)
	}
	if err != nil {
		if say || err.Error() != s.fault {
			s.opts.Metrics.reloaded(s.opts.Use, false)
			s.opts.Log.Warn("TLS files are not used; the ones before stay in use", "use", s.opts.Use, "error", err.Error())
		}
		s.fault = err.Error()
		s.remind(say) // of what stays in use
		return err
	}
	s.fault = ""
	s.use(l)
	s.opts.Metrics.reloaded(s.opts.Use, true)
	s.opts.Log.Info("TLS files loaded", "use", s.opts.Use)
	return nil
}

// use puts a configuration into use. The caller holds mu.
func (s *Store) use(l *loaded) {
	s.reminded = time.Now()
	s.complain(append(l.notes, l.expiring(s.reminded)...))
	if s.server {
		was := s.current.Load()
		if was == nil || was.trust != l.trust {
			s.keys = nil // what a device proved to other authorities counts no more
		}
		s.newKey(len(s.keys) == 0)
		l.config.SetSessionTicketKeys(s.keys)
	}
	s.opts.Metrics.expire(s.opts.Use, l.expiry)
	s.current.Store(l)
}

const (
	keyLife = 24 * time.Hour
	keyMost = 7 // as in crypto/tls: a ticket is good for a week
)

// newKey puts a fresh key for session tickets in front, if it is time. The caller holds mu.
func (s *Store) newKey(now bool) bool {
	if !now && time.Since(s.keyed) < keyLife {
		return false
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	s.keys = slices.Insert(s.keys, 0, key)
	s.keys, s.keyed = s.keys[:min(len(s.keys), keyMost)], time.Now()
	return true
}

// rotate renews the key for session tickets when it is old. The caller holds mu.
func (s *Store) rotate() {
	if s.server && s.newKey(false) {
		l := *s.current.Load()
		l.config = l.config.Clone()
		l.config.SetSessionTicketKeys(s.keys)
		s.current.Store(&l)
	}
}

// maxFile bounds what is read of a file.
const maxFile = 16 << 20 // revocation lists can be long

// read reads the files and sums up their contents.
func read(s source) (contents, [sha256.Size]byte, error) {
	names, optional := s.files()
	all, sum := make(contents), sha256.New()
	for i, name := range append(slices.Clone(names), optional...) {
		data, err := readFile(name)
		if err != nil {
			if i >= len(names) && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return nil, [sha256.Size]byte{}, err
		}
		all[name] = data
		fmt.Fprintf(sum, "%d %d ", i, len(data))
		sum.Write(data)
	}
	return all, [sha256.Size]byte(sum.Sum(nil)), nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("read %s: longer than 16 MiB", name)
	}
	return data, err
}

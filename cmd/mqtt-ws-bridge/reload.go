package main

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/access/token"
	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/config/filewatch"
)

// reloadAtHangups reads files again at each SIGHUP, until the process ends.
func (p *process) reloadAtHangups() {
	for {
		select {
		case <-p.hangups:
			if !p.reloadConfig() {
				continue
			}
			for _, store := range p.stores() {
				_ = store.Reload() // logged, and what was in use stays
			}
			p.access.reload(true)
			p.access.fetch(p.ctx)
		case <-p.ctx.Done():
			return
		}
	}
}

// keptAccess is access control that is replaced when its files change. If one of them is not good, all stays as it is. Sessions that there
// are keep what they were let in with. Safe for concurrent use.
type keptAccess struct {
	// Set once.
	files    *filewatch.Files
	log      *slog.Logger
	reloads  *prometheus.CounterVec
	replaced chan struct{} // of one: there are other key sets; replaced twice is as good as once

	access current.Value[accessControl] // never empty

	mu    sync.Mutex        // held while reloading
	cfg   *config.Config    // guarded by mu
	seen  [sha256.Size]byte // the files as they were when last tried; guarded by mu
	fault string            // what was wrong with them, "": nothing; guarded by mu
}

func newKeptAccess(cfg *config.Config, log *slog.Logger, reg prometheus.Registerer) (*keptAccess, error) {
	k := &keptAccess{cfg: cfg, files: filewatch.NewFiles(cfg.Access.Files()), log: log, replaced: make(chan struct{}, 1)}
	k.seen = filewatch.Sum(k.files.Names())
	d, err := newAccessControl(cfg, log, nil)
	if err != nil {
		return nil, err
	}
	k.access.Store(d)
	k.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "mqtt_ws_bridge", Name: "access_reloads_total",
		Help: "Reloads of the files of access, by outcome: ok, or failed, when the previous files stay in use.",
	}, []string{"outcome"})
	for _, outcome := range []string{outcomeOK, outcomeFailed} {
		k.reloads.WithLabelValues(outcome)
	}
	reg.MustRegister(k.reloads)
	return k, nil
}

const (
	outcomeOK     = "ok"
	outcomeFailed = "failed"
)

func (k *keptAccess) current() *accessControl { return k.access.Load() }

// watch reloads when files change, until ctx ends.
func (k *keptAccess) watch(ctx context.Context) {
	k.files.Run(ctx, func() { k.reload(false) }, func(err error) {
		k.log.Warn("access files are looked at once a minute only", "error", err.Error())
	})
}

// fetch asks for the keys that are at URLs, which an operator who has withdrawn one does not want to wait for.
func (k *keptAccess) fetch(ctx context.Context) {
	for _, remote := range k.current().remotes {
		remote.Fetch(ctx)
	}
}

// run keeps the key sets of access control fetched, of each moment those that it has, until ctx ends.
func (k *keptAccess) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	running := make(map[*token.Remote]context.CancelFunc)
	defer func() {
		for _, stop := range running {
			stop()
		}
	}()
	for {
		wanted := make(map[*token.Remote]bool)
		for _, remote := range k.current().remotes {
			if wanted[remote] = true; running[remote] == nil {
				own, stop := context.WithCancel(ctx)
				running[remote] = stop
				wg.Go(func() { remote.Run(own) })
			}
		}
		for remote, stop := range running {
			if !wanted[remote] {
				stop()
				delete(running, remote)
			}
		}
		select {
		case <-k.replaced:
		case <-ctx.Done():
			return
		}
	}
}

// prepare makes access control of another configuration. It fetches the key sets that are new, so that devices do not have to wait for that;
// one that cannot be fetched is logged and tried again, as at the start.
func (k *keptAccess) prepare(ctx context.Context, c *current.Change, cfg *config.Config) error {
	sum := filewatch.Sum(cfg.Access.Files()) // before the files are read: a change in between is seen the next time
	before := k.current()
	next, err := newAccessControl(cfg, k.log, before)
	if err != nil {
		return err
	}
	c.OnAbort(func() { next.release(before) })
	var fetching sync.WaitGroup
	for set, remote := range next.remotes {
		if before.remotes[set] == nil {
			fetching.Go(func() { remote.Fetch(ctx) })
		}
	}
	fetching.Wait()
	c.OnCommit(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.cfg, k.seen = cfg, sum
		k.files.Replace(cfg.Access.Files())
		k.access.Store(next)
		before.release(next)
		select {
		case k.replaced <- struct{}{}:
		default:
		}
	})
	return nil
}

// reload reads the files again. If nobody asked for it, files that did not change are left alone, and the same fault is not told
// twice.
func (k *keptAccess) reload(asked bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := filewatch.Sum(k.files.Names()) // before the files are read: a change in between is seen the next time
	if !asked && sum == k.seen {
		return
	}
	k.seen = sum
	next, err := newAccessControl(k.cfg, k.log, k.current())
	if err != nil {
		if asked || err.Error() != k.fault {
			k.log.Warn("access files are not used; the ones before stay in use", "error", err.Error())
			k.reloads.WithLabelValues(outcomeFailed).Inc()
		}
		k.fault = err.Error()
		return
	}
	k.fault = ""
	k.access.Store(next)
	k.log.Info("access files loaded")
	k.reloads.WithLabelValues(outcomeOK).Inc()
}

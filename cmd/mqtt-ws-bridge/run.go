package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"mqtt-ws-bridge/config"
)

// reloading is how a process takes a new configuration. The zero value cannot.
type reloading struct {
	load   func() (*config.Config, error)
	setLog func(config.Log)
}

// serve runs the bridge until ctx ends or a signal comes, drains it, and returns the exit status. out is for what a
// person reads at the start.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger, out io.Writer, again reloading) int {
	signals := make(chan os.Signal, 2) // one to drain, one to stop draining
	// For good: a signal that comes after the drain must not decide the exit status.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	p, err := wire(cfg, log)
	if err != nil {
		log.Error("cannot start", "error", err.Error())
		return exitFailure
	}
	defer p.close()
	p.load, p.setLog = again.load, again.setLog
	for _, w := range slices.Concat(tooFewDescriptors(cfg), tooLittleMemory(cfg), tooSlowDrain(cfg), insecureCiphers(cfg)) {
		log.LogAttrs(ctx, slog.LevelWarn, w.message, w.attrs...)
	}
	p.budget.Apply()
	p.checkBrokers(ctx, signals)
	failed := p.start()
	p.greet(out)
	select {
	case err := <-failed:
		log.Error("a listener failed", "error", err.Error())
		return exitFailure
	case s := <-signals:
		log.Info("draining", "signal", s.String(), "sessions", p.bridge.Sessions(), "rate", p.running.Load().Drain.Rate, "timeout", p.running.Load().Drain.Timeout)
	case <-ctx.Done():
	}
	return p.drain(signals)
}

// checkBrokers asks all brokers once before the first device does, so that it gets the right answer. A signal ends the wait.
func (p *process) checkBrokers(ctx context.Context, signals chan os.Signal) {
	if p.pool == nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	checked := make(chan error, 1) // of one: the check ends even if nobody waits any more
	go func() { checked <- p.pool.Check(ctx) }()
	select {
	case err := <-checked:
		cancel()
		if err != nil {
			p.log.Warn("not every broker answers", "error", err.Error())
		}
	case s := <-signals:
		cancel()
		<-checked
		select {
		case signals <- s: // for the one who drains
		default: // who will find others there
		}
	}
}

// start serves all listeners. The channel tells of the first that fails.
func (p *process) start() <-chan error {
	p.wg.Go(func() { p.budget.Run(p.ctx) })
	for _, l := range p.deviceListeners {
		p.serveOn(p.devices, l.openListener)
	}
	if p.adminListener != nil {
		p.serveOn(p.admin, p.adminListener)
	}
	if p.pool != nil {
		p.wg.Go(func() { p.pool.Run(p.ctx) })
	}
	p.serving = true
	for _, store := range p.stores() {
		p.wg.Go(func() { store.Run(p.ctx) })
	}
	p.wg.Go(p.reloadAtHangups)
	p.wg.Go(func() { p.access.watch(p.ctx) })
	return p.listenFailed
}

// drain ends the sessions as configured while the listeners go on answering 503. A second signal cuts what is left.
func (p *process) drain(signals <-chan os.Signal) int {
	drain := p.running.Load().Drain
	ctx, cancel := context.WithTimeout(context.Background(), drain.Timeout)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	p.wg.Go(func() {
		select {
		case <-signals:
			cancel()
		case <-done:
		}
	})
	began := time.Now()
	if cut := p.bridge.Drain(ctx, drain.Rate); cut > 0 {
		p.log.Warn("stopped; sessions were cut", "sessions", cut, "after", time.Since(began).Round(time.Millisecond))
		return exitFailure
	}
	p.log.Info("stopped", "after", time.Since(began).Round(time.Millisecond))
	return exitOK
}

package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/budget"
	"mqtt-ws-bridge/config"
)

// wireBudget finds out what the process may use. The limits of sessions and handshakes hold as far as descriptors reach.
func (p *process) wireBudget() error {
	p.budget = budget.New(budget.Options{
		Descriptors: descriptorPlan(p.cfg),
		Memory:      memoryPlan(p.cfg),
		Sessions:    func() int { return p.bridge.Sessions() },
		Registerer:  p.registry, Log: p.log,
	})
	return nil
}

// descriptorPlan shares out the descriptors of this process. A device of the embedded broker takes one, others two.
func descriptorPlan(cfg *config.Config) budget.Plan {
	each := 2
	if len(cfg.Upstream.URLs) == 0 {
		each = 1
	}
	return budget.PlanDescriptors(budget.MostDescriptors(), cfg.Limits.Sessions, cfg.Limits.Handshakes, each)
}

// memoryPlan shares out the memory of this process.
func memoryPlan(cfg *config.Config) budget.MemoryPlan {
	return budget.PlanMemory(budget.FindMemoryLimit(int64(cfg.Limits.Memory)))
}

// memoryLimits is what of it sessions may hold.
func memoryLimits(cfg *config.Config) bridge.MemoryLimits {
	plan := memoryPlan(cfg)
	return bridge.MemoryLimits{Sessions: plan.Sessions, Packets: plan.Packets}
}

// handshakes is how many may be under way with the descriptors and the memory that there are.
func handshakes(cfg *config.Config) int {
	n := descriptorPlan(cfg).Handshakes
	if most := memoryPlan(cfg).Handshakes; most > 0 {
		n = min(n, most)
	}
	return n
}

// acceptFailed hears of a listener that could not take a connection.
func (p *process) acceptFailed(err error, first bool) {
	p.acceptErrors.Inc()
	if short := bridge.Shortage(err); short != nil {
		p.budget.Short(short, err)
	} else if first {
		p.log.Warn("a connection could not be taken; trying again", "error", err.Error())
	}
}

// warning is something that is allowed and probably not meant.
type warning struct {
	message string
	attrs   []slog.Attr
}

func (w warning) String() string {
	var s strings.Builder
	s.WriteString("warning: " + w.message)
	for _, a := range w.attrs {
		s.WriteString(" " + a.String())
	}
	return s.String()
}

func printWarnings(to io.Writer, warnings []warning) {
	for _, w := range warnings {
		fmt.Fprintln(to, w)
	}
}

// tooFewDescriptors warns if the sessions that are allowed need more file descriptors than there may be.
func tooFewDescriptors(cfg *config.Config) []warning {
	plan := descriptorPlan(cfg)
	if !plan.Lowered(cfg.Limits.Sessions) {
		return nil
	}
	return []warning{{"too few file descriptors for limits.sessions; raise the limit (ulimit -n, LimitNOFILE) or lower the key",
		[]slog.Attr{slog.Int("sessions", cfg.Limits.Sessions), slog.Int("needed", plan.Needed), slog.Int("allowed", plan.Most),
			slog.Int("enough_for", plan.Sessions)}}}
}

// tooLittleMemory warns if the sessions that are allowed need more memory than there may be.
func tooLittleMemory(cfg *config.Config) []warning {
	plan := memoryPlan(cfg)
	enough := plan.Sessions / bridge.CostPlain
	if plan.Bytes == 0 || int64(cfg.Limits.Sessions) <= enough {
		return nil
	}
	return []warning{{"too little memory for limits.sessions; raise limits.memory or lower the key",
		[]slog.Attr{slog.Int("sessions", cfg.Limits.Sessions), slog.String("limit", plan.From),
			slog.Int64("allowed", plan.Bytes), slog.Int64("enough_for", enough),
			slog.Int64("enough_for_with_tls", plan.Sessions/bridge.CostTLS)}}}
}

// tooSlowDrain warns if a drain of all sessions would be cut short. A drain without time is meant to be.
func tooSlowDrain(cfg *config.Config) []warning {
	needed := time.Duration(cfg.Limits.Sessions) * time.Second / time.Duration(cfg.Drain.Rate)
	if cfg.Drain.Timeout == 0 || needed <= cfg.Drain.Timeout {
		return nil
	}
	return []warning{{"limits.sessions / drain.rate is longer than drain.timeout; a full bridge would cut what is left",
		[]slog.Attr{slog.Int("sessions", cfg.Limits.Sessions), slog.Int("rate", cfg.Drain.Rate),
			slog.Duration("needed", needed), slog.Duration("timeout", cfg.Drain.Timeout)}}}
}

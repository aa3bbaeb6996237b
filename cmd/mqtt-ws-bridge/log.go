package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/config/current"
)

// newLiveLogger is newLogger with a way to change what cfg says.
func newLiveLogger(cfg config.Log, w io.Writer, environ []string) (log *slog.Logger, set func(config.Log)) {
	h := &liveHandler{current: new(current.Value[slog.Handler])}
	set = func(cfg config.Log) {
		handler := newLogger(cfg, w, environ).Handler()
		h.current.Store(&handler)
	}
	set(cfg)
	return slog.New(h), set
}

// liveHandler passes records to the handler of this moment.
type liveHandler struct {
	current *current.Value[slog.Handler]
	with    func(slog.Handler) slog.Handler // attributes and groups; nil: none
}

func (h *liveHandler) now() slog.Handler {
	if h.with != nil {
		return h.with(*h.current.Load())
	}
	return *h.current.Load()
}

// Enabled asks the handler of this moment.
func (h *liveHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.current.Load()).Enabled(ctx, level)
}

// Handle has it write.
func (h *liveHandler) Handle(ctx context.Context, r slog.Record) error { return h.now().Handle(ctx, r) }

// WithAttrs returns a handler that follows the same changes.
func (h *liveHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.also(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup returns a handler that follows the same changes.
func (h *liveHandler) WithGroup(name string) slog.Handler {
	return h.also(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *liveHandler) also(f func(slog.Handler) slog.Handler) slog.Handler {
	return &liveHandler{h.current, func(next slog.Handler) slog.Handler {
		if h.with != nil {
			next = h.with(next)
		}
		return f(next)
	}}
}

// newLogger returns the logger that cfg asks for, writing to w. Text is coloured only on a terminal, and not when the
// variable NO_COLOR is set (no-color.org).
func newLogger(cfg config.Log, w io.Writer, environ []string) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo
	}
	onTerminal := false
	if file, ok := w.(*os.File); ok {
		onTerminal = term.IsTerminal(int(file.Fd()))
	}
	if cfg.Format == "json" || cfg.Format == "auto" && !onTerminal {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	noColor := slices.ContainsFunc(environ, func(v string) bool {
		return strings.HasPrefix(v, "NO_COLOR=") && v != "NO_COLOR="
	})
	return slog.New(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: time.TimeOnly,
		NoColor:    !onTerminal || noColor || runtime.GOOS == "windows",
	}))
}

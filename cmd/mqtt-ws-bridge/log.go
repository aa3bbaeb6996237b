package main

import (
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
)

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

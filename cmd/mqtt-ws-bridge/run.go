package main

import (
	"context"
	"io"
	"log/slog"

	"mqtt-ws-bridge/config"
)

// serve runs the bridge until ctx ends and returns the exit status. out is for what a person reads at the start.
func serve(_ context.Context, _ *config.Config, log *slog.Logger, _ io.Writer) int {
	log.Error("serving is not built yet")
	return exitFailure
}

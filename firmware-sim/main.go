// Command firmware-sim simulates fleets of real MQTT-over-WebSocket devices and says what an endpoint did to them.
// It works against any MQTT endpoint, over ws, wss, tcp and ssl, and shares no code with the bridge.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

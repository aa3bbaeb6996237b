// Command mqtt-ws-bridge lets devices that speak MQTT over WebSocket reach any MQTT broker.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// From the first moment to the last: where nobody listens for SIGHUP it would end the process.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// Command mqtt-ws-bridge lets devices that speak MQTT over WebSocket reach any MQTT broker.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

package main

import (
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/firmware-sim/load"
	"mqtt-ws-bridge/firmware-sim/report"
)

// loadFlags are the flags of load.
type loadFlags struct {
	common
	config       load.Config
	mode, broker string
}

func newLoad() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load --url URL --mode MODE",
		Short: "throughput and latency for benchmarks",
		Long: `load drives an endpoint cheaply: frames are built once, written in batches and counted in place.

  up       QoS 0 publishes, as many as fit or --rate in all; at the end each device sends a PINGREQ, whose answer
           proves that everything before it was taken
  down     subscribe to TOPIC/flood and count; --flood N publishers on --broker feed it, or somebody else does
  qos1     QoS 1 publishes, --window under way per device; latency until PUBACK
  rtt      QoS 0 publishes to oneself, --window under way per device; latency until the message is back
           qos1 and rtt are closed loops; with --rate messages are due at fixed times and latency counts from then
  idle     connect and do nothing; at the end a PINGREQ finds out who is still there
  connect  handshake, CONNECT and leave, again and again; latency per connect`,
		Example: `  firmware-sim load --url ws://127.0.0.1:8083/mqtt --mode up --devices 50 --size 128 --duration 10s --json
  firmware-sim load --url ws://127.0.0.1:8083/mqtt --mode down --devices 10 --flood 1 --broker tcp://127.0.0.1:1883 --rate 20000
  firmware-sim load --url ws://127.0.0.1:8083/mqtt --mode idle --devices 8000 --duration 1m --source 127.0.0.0/8`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	f.register(flags)
	c := &f.config
	flags.StringVar(&f.mode, "mode", "up", "up, down, qos1, rtt, idle or connect")
	flags.IntVar(&c.Devices, "devices", 10, "connections")
	flags.DurationVar(&c.Duration, "duration", 10*time.Second, "how long to measure")
	flags.IntVar(&c.Messages, "messages", 0, "messages (or connects) per device, if the duration does not end first")
	flags.IntVar(&c.Size, "size", 128, "payload size in bytes")
	flags.IntVar(&c.Batch, "batch", 32, "messages per write in up and flood; one frame each in any case")
	flags.IntVar(&c.Window, "window", 10, "messages under way per device in qos1 and rtt")
	flags.Float64Var(&c.Rate, "rate", 0, "messages per second, all devices together (default: saturated)")
	flags.IntVar(&c.Flood, "flood", 0, "publishers that feed mode down")
	flags.StringVar(&f.broker, "broker", "", "where they connect (default: --url)")
	flags.StringVar(&c.Topic, "topic", "fsim/load", "topic prefix")
	flags.IntVar(&c.Dialing, "dialing", 64, "handshakes at a time")
	return cmd
}

func (f *loadFlags) run(cmd *cobra.Command) error {
	settings, err := f.settings()
	if err != nil {
		return err
	}
	c := f.config
	c.Mode, c.Endpoint, c.IDs, c.Headers, c.Seed, c.Timeout = load.Mode(f.mode), settings.Endpoint, f.names, f.headers, f.seed, f.timeout
	if f.broker != "" {
		if c.Broker, err = f.endpoint(f.broker); err != nil {
			return err
		}
	}
	if err := c.Validate(); err != nil {
		return usageError{err}
	}
	result, err := load.Run(cmd.Context(), c)
	if err != nil {
		return couldNotRun{err}
	}
	cases := []report.Case{{Suite: "load", Name: f.mode, OK: result.Clean(), Detail: strings.Join(result.Errors, "; ")}}
	return f.finish(cmd, result, func(w io.Writer) error { return report.Load(w, result) }, cases, result.Clean())
}

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/report"
)

// runFlags are the flags of run that need a look before they become a fleet.Config.
type runFlags struct {
	common
	config                                 fleet.Config
	mix, broker, witness, qos, mqtt        string
	format, template, model, loss, metrics string
	size                                   int
	persistent                             bool
	expiry                                 time.Duration
	impair                                 []string
	trace                                  bool
	stopUpdates                            func()
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --url URL",
		Short: "run a fleet and verify every message",
		Long: `run connects a fleet of devices, lets each publish numbered messages to PREFIX/ID/data, and has a verifying
subscriber receive them, through the same URL or another broker address (--broker). The summary says per profile and
QoS what was sent, lost, doubled, reordered and how late it was; which client libraries would have broken, and on
what; and lists the lost messages by device and number.

Every QoS 1 and 2 message is counted as MQTT has it: what a clean session leaves unacknowledged when its connection
breaks is not sent again; a persistent session resends it with DUP. A message that arrived more often than it was sent
is doubled. Devices hold still while the verifying subscriber is cut off.`,
		Example: `  firmware-sim run --url ws://127.0.0.1:8083/mqtt --devices 200 --profile all --qos 0,1,2 --rate 2 --duration 1m
  firmware-sim run --url ws://127.0.0.1:8083/mqtt --broker tcp://127.0.0.1:1883 \
      --profile esp32-idf=5,paho-java-android=3,zephyr-cortex-m+nbiot=1 --devices 500 --messages 100 --rate 1
  firmware-sim run --url ws://127.0.0.1:8083/mqtt --devices 1000 --rate 0.1 --duration 5m --impair reset=64kB,storm=30s --persistent`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	f.common.register(flags)
	f.registerFleet(flags)
	f.registerSays(flags)
	return cmd
}

func (f *runFlags) registerFleet(flags *pflag.FlagSet) {
	c := &f.config
	flags.IntVar(&c.Devices, "devices", 10, "how many devices")
	flags.StringVar(&f.mix, "profile", "all", "NAME[+MODIFIER][=weight],...; 'all' is every profile but the hostile one; see 'firmware-sim profiles'")
	flags.DurationVar(&c.Duration, "duration", 0, "how long devices send, once all have started")
	flags.IntVar(&c.Messages, "messages", 0, "messages per device, after which it leaves")
	flags.Float64Var(&c.Rate, "rate", 1, "messages per second and device; 0 for idle devices")
	flags.DurationVar(&c.Ramp, "ramp", 0, "spread the devices' start over this long (default 1 ms each)")
	flags.StringVar(&f.mqtt, "mqtt", "", "MQTT version for all devices and the verifying subscriber: 3.1, 3.1.1 or 5 (default: the profile's; the subscriber's: the newest that the broker takes)")
	flags.BoolVar(&f.persistent, "persistent", false, "persistent sessions instead of clean ones")
	flags.DurationVar(&f.expiry, "session-expiry", 5*time.Minute, "how long the broker keeps a persistent MQTT 5 session")
	flags.DurationVar(&c.Device.KeepAlive, "keepalive", 0, "keepalive for all devices (default: the profile's)")
	flags.IntVar(&c.Device.Inflight, "inflight", 16, "QoS 1 and 2 messages under way per device")
	flags.StringVar(&f.broker, "broker", "", "where the verifying subscriber connects, such as tcp://127.0.0.1:1883 (default: --url)")
	flags.StringVar(&f.witness, "broker-login", "", "its USER:PASSWORD (default: the first device's)")
	flags.StringArrayVar(&f.impair, "impair", nil, "[PROFILE:]latency=200ms,jitter=50ms,bandwidth=32kbit,stall=3s@5%,slowread=1kB,halfopen=2%@10s,reset=64kB,storm=30s (repeatable)")
	flags.DurationVar(&c.Doze, "doze-interval", 0, "time between a dozing phone's alarms (default 9m)")
	flags.DurationVar(&c.Sleep, "sleep-interval", 0, "time a deep-sleeping device stays away (default 30s)")
	flags.DurationVar(&c.Drain, "drain", 3*time.Second, "at the end: how long nothing may arrive or be acknowledged before the rest is given up; two round trips of the worst impaired line come on top")
	flags.DurationVar(&c.DrainLimit, "drain-limit", time.Minute, "longest wait at the end for devices that are still busy, or between two connections of a persistent session")
	flags.StringVar(&f.loss, "max-loss", "0", "share of messages that may be lost, such as 0.1%")
	flags.Int64Var(&c.Limits.Losses, "tolerate-losses", 0, "connections that may be lost, beside those that --impair (reset, halfopen, stall, storm), +doze, +deepsleep and +nbiot are there to lose")
	flags.DurationVar(&c.Limits.P99, "max-p99", 0, "largest tolerable p99 of the end-to-end latency")
	flags.StringVar(&f.metrics, "metrics", "", "serve Prometheus metrics on this address while the run lasts")
	flags.BoolVar(&f.trace, "trace", false, "print every write and frame of every device to standard error")
}

func (f *runFlags) registerSays(flags *pflag.FlagSet) {
	c := &f.config
	flags.StringVar(&f.qos, "qos", "0,1,2", "QoS[=weight],... of messages")
	flags.StringVar(&f.format, "payload", "json", "json, cbor or template")
	flags.StringVar(&f.template, "template", "", "payload text with {id}, {seq}, {time} and {value}; implies --payload template")
	flags.StringVar(&f.model, "model", "mixed", "values: "+strings.Join(payload.Models(), ", "))
	flags.IntVar(&f.size, "payload-size", 0, "pad payloads to this many bytes")
	flags.StringVar(&c.Prefix, "prefix", "", "topic prefix (default fsim/SEED)")
	flags.BoolVar(&c.Birth, "birth", true, "retained birth message and last will")
	flags.Float64Var(&c.Commands, "commands", 0, "commands per second for the whole fleet, each to be answered")
}

// build turns flags into a configuration.
func (f *runFlags) build() (fleet.Config, error) {
	c := f.config
	settings, err := f.settings()
	if err != nil {
		return c, err
	}
	settings.KeepAlive, settings.Inflight, settings.Clean = c.Device.KeepAlive, c.Device.Inflight, !f.persistent
	settings.Expiry = uint32(f.expiry / time.Second)
	c.Device, c.IDs, c.Model = settings, f.names, f.model
	if c.Device.Version, err = parseVersion(f.mqtt); err != nil {
		return c, err
	}
	if c.Mix, err = profile.ParseMix(f.mix); err != nil {
		return c, usageError{err}
	}
	if f.template != "" {
		f.format = "template"
	}
	if c.Codec, err = payload.NewCodec(f.format, f.template, f.size); err != nil {
		return c, usageError{err}
	}
	if c.QoS, err = parseQoS(f.qos); err != nil {
		return c, usageError{err}
	}
	if c.Limits.Loss, err = impair.Share(f.loss); err != nil {
		return c, usageError{fmt.Errorf("--max-loss: %w", err)}
	}
	if err := f.parseImpair(&c); err != nil {
		return c, usageError{err}
	}
	if c.Prefix == "" {
		c.Prefix = "fsim/" + strconv.FormatUint(f.seed, 10)
	}
	if c.Ramp == 0 {
		c.Ramp = time.Duration(c.Devices) * time.Millisecond
	}
	if f.broker != "" {
		if c.Witness, err = f.endpoint(f.broker); err != nil {
			return c, err
		}
	}
	c.WitnessLogin[0], c.WitnessLogin[1], _ = strings.Cut(f.witness, ":")
	if err := c.Validate(); err != nil {
		return c, usageError{err}
	}
	return c, nil
}

func (f *runFlags) parseImpair(c *fleet.Config) error {
	for _, text := range f.impair {
		name, spec, named := strings.Cut(text, ":")
		if !named {
			name, spec = "", text
		}
		s, err := impair.Parse(spec)
		if err != nil {
			return fmt.Errorf("--impair: %w", err)
		}
		if !named {
			c.Device.Impair = c.Device.Impair.With(s)
			continue
		}
		if _, err := profile.Lookup(name); err != nil {
			return fmt.Errorf("--impair: %w", err)
		}
		if c.Impair == nil {
			c.Impair = make(map[string]impair.Spec)
		}
		c.Impair[name] = c.Impair[name].With(s)
	}
	return nil
}

// parseQoS reads "0,1=3,2".
func parseQoS(text string) (weights [3]float64, err error) {
	for item := range strings.SplitSeq(text, ",") {
		level, weight, given := strings.Cut(item, "=")
		q, err := strconv.Atoi(level)
		if err != nil || q < 0 || q > 2 {
			return weights, fmt.Errorf("--qos %q: want 0, 1 or 2, with =weight if you like", item)
		}
		weights[q] = 1
		if given {
			if weights[q], err = strconv.ParseFloat(weight, 64); err != nil || weights[q] < 0 {
				return weights, fmt.Errorf("--qos %q: weight is not a number", item)
			}
		}
	}
	return weights, nil
}

func (f *runFlags) run(cmd *cobra.Command) error {
	config, err := f.build()
	if err != nil {
		return err
	}
	show, done := progress(cmd.ErrOrStderr())
	metrics, stop, err := serveMetrics(f.metrics)
	if err != nil {
		return couldNotRun{err}
	}
	defer stop()
	config.Progress = func(p fleet.Progress) {
		show(report.Progress(p))
		metrics.set(p)
	}
	if err := f.updates(cmd, &config); err != nil {
		return err
	}
	defer f.stopUpdates()
	if f.trace {
		config.Device.Trace = tracer(cmd.ErrOrStderr())
	}
	result, err := fleet.Run(cmd.Context(), config)
	done()
	if err != nil {
		return couldNotRun{err}
	}
	return f.finish(cmd, result, func(w io.Writer) error { return report.Run(w, result) }, report.Cases(result), result.Clean)
}

// updates starts an update for the devices whose profile carries +ota.
func (f *runFlags) updates(cmd *cobra.Command, config *fleet.Config) error {
	f.stopUpdates = func() {}
	wanted := func(p *profile.Profile) bool { return p.OTA }
	if !slices.ContainsFunc(config.Mix, func(s profile.Share) bool { return s.Profile.OTA }) {
		return nil
	}
	u := updateFlags{size: "64KiB", version: 2, chunk: 1024}
	campaign, err := u.campaign(config, wanted)
	if err != nil {
		return err
	}
	_, _, stop, err := u.serve(cmd.Context(), config.Device, config.Witness, config.Prefix, f.login(config), campaign.Heard)
	if err == nil {
		f.stopUpdates = stop
	}
	return err
}

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/ota"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/report"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// updateFlags describe an update: the image and what goes wrong with it.
type updateFlags struct {
	firmware, size string
	version, chunk int
	shares         map[ota.Fate]*string
	external       bool
}

func (u *updateFlags) registerImage(flags *pflag.FlagSet) {
	flags.StringVar(&u.firmware, "firmware", "", "image file (default: made up from the seed)")
	flags.StringVar(&u.size, "size", "64KiB", "size of a made-up image")
	flags.IntVar(&u.version, "fw-version", 2, "version of the image; devices run version 1")
}

func (u *updateFlags) registerFates(flags *pflag.FlagSet) {
	flags.IntVar(&u.chunk, "chunk", 1024, "bytes per chunk, less where a profile's receiver wants it")
	u.shares = make(map[ota.Fate]*string)
	for fate, help := range map[ota.Fate]string{
		ota.FlashDefect: "share of devices whose flash flips a bit: must report failed-hash", ota.PowerLoss: "share that loses power halfway: must resume",
		ota.BootFailure: "share whose new image does not boot: must roll back", ota.AlreadyNewer: "share that runs a newer version: must refuse",
		ota.OtherKey: "share that trusts another key: must refuse",
	} {
		u.shares[fate] = flags.String(string(fate), "0", help)
	}
}

func (u *updateFlags) image(seed uint64) ([]byte, error) {
	if u.firmware != "" {
		info, err := os.Stat(u.firmware)
		if err != nil {
			return nil, couldNotRun{fmt.Errorf("--firmware: %w", err)}
		}
		if info.Size() == 0 || info.Size() > ota.MaxImage {
			return nil, usageError{fmt.Errorf("--firmware: %s has %d bytes, want 1 to %d", u.firmware, info.Size(), ota.MaxImage)}
		}
		b, err := os.ReadFile(u.firmware)
		if err != nil {
			return nil, couldNotRun{fmt.Errorf("--firmware: %w", err)}
		}
		return b, nil
	}
	n, err := impair.Bytes(u.size)
	if err != nil || n > ota.MaxImage {
		return nil, usageError{fmt.Errorf("--size %s: want a size up to 64MiB", u.size)}
	}
	return ota.Image(seed, n), nil
}

// campaign prepares an update of a fleet's devices and puts it into the configuration.
func (u *updateFlags) campaign(c *fleet.Config, wanted func(*profile.Profile) bool) (*ota.Campaign, error) {
	shares := make(ota.Shares)
	for fate, text := range u.shares {
		share, err := impair.Share(*text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--%s: %w", fate, err)}
		}
		shares[fate] = share
		c.Drops = c.Drops || fate == ota.PowerLoss && share > 0
	}
	total := 0
	for _, p := range c.Mix.Deal(c.Devices) {
		if ota.Capable(p) && wanted(p) {
			total++
		}
	}
	if total == 0 {
		return nil, usageError{errors.New("no device of this mix can be updated")}
	}
	if u.chunk < 64 || u.chunk > 64<<10 {
		return nil, usageError{errors.New("--chunk: want 64 to 65536 bytes")}
	}
	seed := c.Device.Seed
	campaign := ota.NewCampaign(c.Prefix, seed, ota.Key(seed).Public().(ed25519.PublicKey), u.chunk, shares, total)
	c.Extra = func(id string, index int, p *profile.Profile) fleet.Extra {
		if !wanted(p) {
			return nil
		}
		return campaign.Agent(id, index, p)
	}
	c.Findings = func() []fleet.Finding { return []fleet.Finding{campaign.Finding()} }
	return campaign, nil
}

// serve runs an update server until ctx ends; the returned function stops it in order and waits.
func (u *updateFlags) serve(ctx context.Context, settings device.Settings, endpoint *wire.Endpoint, prefix string, login [2]string,
	heard func(string, ota.Report)) (*ota.Server, *device.Counters, func(), error) {
	var image []byte
	var manifest ota.Manifest
	if !u.external {
		var err error
		if image, err = u.image(settings.Seed); err != nil {
			return nil, nil, nil, err
		}
		manifest = ota.Sign(u.version, image, ota.Key(settings.Seed))
	}
	server := ota.NewServer(prefix, image, manifest, heard)
	if endpoint != nil {
		settings.Endpoint = endpoint
	}
	settings.Impair, settings.Clean, settings.Newest, settings.Inflight, settings.Trace = impair.Spec{}, true, true, 1024, nil
	counters := new(device.Counters)
	id := device.Identity{Index: 1 << 20, ClientID: fmt.Sprintf("fsim-%d-updates-%d", settings.Seed, os.Getpid()), Username: login[0],
		Password: login[1], Filters: server.Filters(), FilterQoS: 1}
	d := device.New(id, &ota.ServerProfile, &settings, server, nil, counters)
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { d.Run(ctx) })
	return server, counters, func() {
		server.Stop()
		hurry := time.AfterFunc(3*time.Second, cancel)
		group.Wait()
		hurry.Stop()
		cancel()
	}, nil
}

// otaFlags are the flags of ota: a fleet that does nothing but update.
type otaFlags struct {
	runFlags
	updateFlags
}

func newOTA() *cobra.Command {
	var f otaFlags
	cmd := &cobra.Command{
		Use:   "ota --url URL",
		Short: "update a fleet's firmware over MQTT",
		Long: `ota announces an image (retained manifest with SHA-256 and an Ed25519 signature), lets every device download it in
chunks with resume, verify, install and report, and judges each device by the fate it was dealt: a bit flip must end in
failed-hash, a power loss must be resumed from, an image that does not boot must be rolled back, a stale version and a
foreign signature must be refused. Devices whose MQTT buffer is too small for a manifest stay out.

The update server runs within, unless --external says that 'firmware-sim ota serve' runs elsewhere with the same --seed
and --prefix.`,
		Example: `  firmware-sim ota --url ws://127.0.0.1:8083/mqtt --devices 100 --power-loss 10% --bad-hash 5% --rollback 5%
  firmware-sim ota serve --url tcp://127.0.0.1:1883 --seed 7 --firmware image.bin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	f.common.register(flags)
	f.registerFleet(flags)
	f.registerImage(flags)
	f.registerFates(flags)
	flags.BoolVar(&f.external, "external", false, "another process serves the update")
	flags.StringVar(&f.config.Prefix, "prefix", "", "topic prefix (default fsim/SEED)")
	_ = flags.MarkHidden("messages")
	_ = flags.MarkHidden("rate")
	flags.Lookup("duration").Usage = "give up after this long (default 5m)"
	cmd.AddCommand(newOTAServe())
	return cmd
}

func (f *otaFlags) run(cmd *cobra.Command) error {
	f.config.Rate, f.config.Messages = 0, 0
	f.format, f.model, f.qos = "json", "constant", "1"
	if f.config.Duration == 0 {
		f.config.Duration = 5 * time.Minute
	}
	config, err := f.build()
	if err != nil {
		return err
	}
	campaign, err := f.campaign(&config, func(*profile.Profile) bool { return true })
	if err != nil {
		return err
	}
	config.Until = campaign.Done()
	_, counters, stop, err := f.serve(cmd.Context(), config.Device, config.Witness, config.Prefix, f.login(&config), campaign.Heard)
	if err != nil {
		return err
	}
	defer stop()
	show, done := progress(cmd.ErrOrStderr())
	config.Progress = func(p fleet.Progress) { show(report.Progress(p)) }
	result, err := fleet.Run(cmd.Context(), config)
	done()
	if err != nil {
		return couldNotRun{err}
	}
	if counters.Connects.Load() == 0 {
		return couldNotRun{fmt.Errorf("the update server could not connect: %v", counters.Errors())}
	}
	outcomes := campaign.Outcomes()
	all := struct {
		*fleet.Result
		Updates []ota.Outcome `json:"updates"`
	}{result, outcomes}
	table := func(w io.Writer) error {
		if err := report.Updates(w, outcomes); err != nil {
			return err
		}
		return report.Run(w, result)
	}
	return f.finish(cmd, all, table, append(report.Cases(result), report.UpdateCases(outcomes)...), result.Clean)
}

// login is what the witness and the update server use.
func (f *runFlags) login(c *fleet.Config) [2]string {
	if c.WitnessLogin[0] != "" {
		return c.WitnessLogin
	}
	_, username, password := c.IDs.Name(0, c.Device.Seed)
	return [2]string{username, password}
}

func newOTAServe() *cobra.Command {
	var c common
	var u updateFlags
	var prefix string
	cmd := &cobra.Command{
		Use:   "serve --url URL",
		Short: "serve an update until interrupted",
		Long:  "serve announces an image, hands out its chunks and prints what devices report, until it is interrupted.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := c.settings()
			if err != nil {
				return err
			}
			if prefix == "" {
				prefix = fmt.Sprintf("fsim/%d", c.seed)
			}
			_, username, password := c.names.Name(0, c.seed)
			server, _, stop, err := u.serve(cmd.Context(), settings, nil, prefix, [2]string{username, password}, func(id string, r ota.Report) {
				fmt.Fprintf(cmd.OutOrStdout(), "%s version %d %s %s\n", id, r.Version, r.State, r.Detail)
			})
			if err != nil {
				return err
			}
			<-cmd.Context().Done()
			stop()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d chunks served\n", server.Chunks())
			return nil
		},
	}
	c.register(cmd.Flags())
	u.registerImage(cmd.Flags())
	cmd.Flags().StringVar(&prefix, "prefix", "", "topic prefix (default fsim/SEED)")
	return cmd
}

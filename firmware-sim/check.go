package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/firmware-sim/check"
	"mqtt-ws-bridge/firmware-sim/report"
)

// checkFlags are the flags of check.
type checkFlags struct {
	common
	config   check.Config
	markdown bool
	list     bool
}

func newCheck() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check URL",
		Short: "does this endpoint suit real devices?",
		Long: `check tries named assertions on a WebSocket endpoint, each over a connection of its own: what the handshake answer looks
like, how packets come down, which cuts of the bytes go up, what is refused and how. It prints for each what was seen
on the wire, and for the failed ones which client libraries would break.

The login needs to publish and subscribe below its own client id, firmware-sim-check-....`,
		Example: `  firmware-sim check ws://127.0.0.1:8083/mqtt
  firmware-sim check wss://broker.example:8084/mqtt --tls-ca ca.pem --username u --password p --markdown
  firmware-sim check ws://127.0.0.1:8083/mqtt --only 101-size,one-packet-per-frame`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	f.registerRest(flags)
	flags.DurationVar(&f.config.Step, "step", 3*time.Second, "how long the endpoint may take for an answer or a refusal")
	flags.DurationVar(&f.config.Quiet, "quiet", 3*time.Second, "how long to watch an idle connection for pings")
	flags.IntVar(&f.config.Parallel, "parallel", 4, "assertions at a time")
	flags.StringSliceVar(&f.config.Only, "only", nil, "try these assertions only")
	flags.StringVar(&f.config.Prefix, "prefix", "firmware-sim-check", "beginning of client ids and topics")
	flags.BoolVar(&f.markdown, "markdown", false, "print a Markdown table")
	flags.BoolVar(&f.list, "list", false, "list the assertions and try nothing")
	return cmd
}

func (f *checkFlags) run(cmd *cobra.Command, args []string) error {
	if f.list {
		for _, a := range check.Assertions() {
			fmt.Fprintf(cmd.OutOrStdout(), "%-26s %s (%s)\n", a.ID, a.Title, a.Rule)
		}
		return nil
	}
	if len(args) != 1 {
		return usageError{errors.New("check wants one URL, such as ws://127.0.0.1:8083/mqtt")}
	}
	e, err := f.endpoint(args[0])
	if err != nil {
		return err
	}
	if !e.WebSocket() {
		return usageError{fmt.Errorf("%s: check is about WebSockets, want ws:// or wss://", args[0])}
	}
	c := f.config
	_, c.Username, c.Password = f.names.Name(0, f.seed)
	c.Endpoint, c.Headers, c.Seed = e, f.headers, f.seed
	outcomes, err := check.Run(cmd.Context(), c)
	if err != nil {
		return couldNotRun{err}
	}
	table := func(w io.Writer) error { return report.Check(w, e.URL.Redacted(), outcomes, f.markdown) }
	return f.finish(cmd, outcomes, table, report.CheckCases(outcomes), check.Failed(outcomes) == 0)
}

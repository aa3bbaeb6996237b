package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mqtt-ws-bridge/firmware-sim/profile"
)

// Exit codes that scripts can trust.
const (
	exitClean = 0
	exitFail  = 1 // the verdict failed
	exitUsage = 2
	exitError = 3 // could not run
)

// errVerdict means that everything ran and the verdict is bad; the report has said why.
var errVerdict = errors.New("verdict failed")

// usageError is a mistake on the command line.
type usageError struct{ error }

// couldNotRun is everything else that kept a subcommand from its work.
type couldNotRun struct{ error }

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var trouble couldNotRun
	switch {
	case err == nil:
		return exitClean
	case errors.Is(err, errVerdict):
		return exitFail
	case errors.As(err, &trouble):
		fmt.Fprintln(stderr, "firmware-sim:", err)
		return exitError
	}
	fmt.Fprintf(stderr, "firmware-sim: %v (see 'firmware-sim --help')\n", err)
	return exitUsage
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "firmware-sim",
		Short: "a fleet of real devices on the wire, with a verdict",
		Long: `firmware-sim behaves like the MQTT-over-WebSocket firmware that people ship, thousands of devices from one small
machine, and says at the end what was lost, late, doubled or broken. It works against any endpoint: ws://, wss://,
tcp:// and ssl://.

  firmware-sim run   --url ws://127.0.0.1:8083/mqtt --devices 100 --profile all --rate 1 --duration 30s
  firmware-sim check ws://127.0.0.1:8083/mqtt
  firmware-sim load  --url ws://127.0.0.1:8083/mqtt --mode up --devices 50 --duration 10s

Exit codes: 0 clean, 1 the verdict failed, 2 usage, 3 could not run.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(suggestFlag)
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRun(), newProfiles(), newCheck(), newLoad(), newOTA())
	return root
}

// suggestFlag adds the nearest flag to the error about one that does not exist.
func suggestFlag(cmd *cobra.Command, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !unknown {
		return err
	}
	best, near := 3, ""
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := profile.Distance(name, f.Name); d < best {
			best, near = d, f.Name
		}
	})
	if near == "" {
		return err
	}
	return fmt.Errorf("%w: did you mean --%s?", err, near)
}

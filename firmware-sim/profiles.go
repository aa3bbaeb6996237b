package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/report"
)

func newProfiles() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "profiles",
		Short: "list the client libraries that can be simulated",
		Long:  "profiles lists every profile with what it does on the wire and where that is known from, and the modifiers.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return report.JSON(cmd.OutOrStdout(), profile.All())
			}
			return listProfiles(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole table as JSON")
	return cmd
}

func listProfiles(w io.Writer) error {
	for _, p := range profile.All() {
		fmt.Fprintf(w, "%s (%s, MQTT %s, keepalive %s, reconnect %s)\n    %s\n    known from: %s\n", p.Name, p.Engine, p.MQTT,
			p.KeepAlive, backoff(p.Reconnect), p.Summary, strings.Join(p.Known, ", "))
	}
	fmt.Fprintln(w, "\nModifiers, as in esp32-idf+nbiot:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range profile.Modifiers() {
		fmt.Fprintf(t, "    +%s\t%s\n", m.Name, m.Summary)
	}
	return t.Flush()
}

func backoff(b profile.Backoff) string {
	text := b.First.String()
	if b.Factor > 1 {
		text += fmt.Sprintf(" x%g up to %s", b.Factor, b.Max)
	}
	switch {
	case b.Full:
		text += ", full jitter"
	case b.Jitter > 0:
		text += fmt.Sprintf(", ±%g %%", b.Jitter*100)
	}
	return text
}

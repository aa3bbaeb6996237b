package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes manual pages, for packages.
func (c *cli) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man [DIR]",
		Short:  "Print the manual page, or write those of all commands into a directory",
		Args:   cobra.MaximumNArgs(1),
		Hidden: true,
		Run: func(cmd *cobra.Command, args []string) {
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "mqtt-ws-bridge", Date: buildTime()}
			var err error
			if len(args) == 1 {
				if err = os.MkdirAll(args[0], 0o755); err == nil {
					err = doc.GenManTree(root, header, args[0])
				}
			} else {
				header.Title = "MQTT-WS-BRIDGE"
				err = doc.GenMan(root, header, c.stdout)
			}
			if err != nil {
				fmt.Fprintf(c.stderr, "mqtt-ws-bridge: %v\n", err)
				c.status = exitFailure
			}
		},
	}
}

// buildTime is when the source was committed, so that the same source makes the same page.
func buildTime() *time.Time {
	at := time.Unix(0, 0).UTC()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					at = t
				}
			}
		}
	}
	return &at
}

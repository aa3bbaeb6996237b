package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/config"
)

// help prints the common flags first and then every key by section. Commands that take no keys, and those whose flags are
// the root's, are short.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	wrap(w, "", about)
	fmt.Fprintf(w, "\nUsage: %s [flags]\n", cmd.CommandPath())
	if cmd.HasParent() {
		if flag := cmd.Flags().Lookup("example"); flag != nil {
			fmt.Fprintln(w)
			entry(w, "--"+flag.Name, flag.Usage)
		}
		fmt.Fprintln(w, "\nThe flags of mqtt-ws-bridge --help can be given here as well.")
		return
	}
	fmt.Fprintf(w, "       %s COMMAND [flags]\n\nCommands:\n", cmd.CommandPath())
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			entry(w, sub.Name(), sub.Short+".")
		}
	}
	keyHelp(w)
	fmt.Fprintln(w, "\nEvery flag is also a key of the file, dots being its levels, and an environment variable:"+
		"\n--limits.write-timeout 5s is "+config.EnvName("limits.write-timeout")+"=5s. A list takes commas,\nor its flag again."+
		"\n"+config.EnvName("access.connect.password")+"_FILE reads a value from a file; ${NAME} in the file is a variable.")
}

func keyHelp(w io.Writer) {
	fmt.Fprint(w, "\nCommon flags:\n")
	entry(w, "--"+config.FileFlag+" file", "YAML file with any of these keys; also "+config.EnvName(config.FileFlag)+".")
	keys := config.Keys()
	for _, key := range keys {
		if key.Common {
			keyEntry(w, key)
		}
	}
	entry(w, "-h, --help", "Print this.")
	section := ""
	for _, key := range keys {
		if key.Common || key.Flag == "" {
			continue
		}
		name, _, dotted := strings.Cut(key.Name, ".")
		if !dotted {
			name = "devices"
		}
		if name != section {
			fmt.Fprintf(w, "\nFlags of %s:\n", name)
			section = name
		}
		keyEntry(w, key)
	}
}

func keyEntry(w io.Writer, key config.Key) {
	text := key.Doc
	if key.Allowed != "" {
		text += " Allowed: " + key.Allowed + "."
	}
	if key.Default != `""` && key.Default != "[]" && key.Default != "{}" {
		text += " Default: " + key.Default + "."
	}
	head := "--" + key.Flag + " " + string(key.Kind)
	if key.Kind == config.Bool {
		head = "--" + key.Flag
	}
	entry(w, head, text)
}

// entry prints a term and, beside or below it, what it means.
func entry(w io.Writer, term, meaning string) {
	const column = 36
	indent := strings.Repeat(" ", column)
	lead := "  " + term + "  "
	if len(lead) > column {
		fmt.Fprintln(w, strings.TrimRight(lead, " "))
		lead = ""
	}
	wrap(w, lead+indent[len(lead):], meaning)
}

// wrap prints text in lines of at most 100 columns, the first after lead and the others below it.
func wrap(w io.Writer, lead, text string) {
	const width = 100
	line, indent := lead, strings.Repeat(" ", len(lead))
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			line += word
		case len(line)+1+len(word) > width:
			fmt.Fprintln(w, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	fmt.Fprintln(w, line)
}

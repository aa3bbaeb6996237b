package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/config"
)

// help prints what a command does and the flags that most people need. Where the others are stands below.
func help(cmd *cobra.Command, _ []string) {
	w := cmd.OutOrStdout()
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	wrap(w, "", about)
	if cmd.HasParent() {
		fmt.Fprintf(w, "\nUsage: %s\n", cmd.UseLine())
		if flag := cmd.LocalNonPersistentFlags(); flag.HasAvailableFlags() {
			fmt.Fprintf(w, "\n%s", flag.FlagUsages())
		}
		fmt.Fprintln(w, "\nThe flags of mqtt-ws-bridge --help can be given here as well.")
		return
	}
	fmt.Fprintf(w, "\nUsage: %s [flags]\n       %s COMMAND [flags]\n\nCommands:\n", cmd.CommandPath(), cmd.CommandPath())
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			entry(w, sub.Name(), sub.Short+".")
		}
	}
	fmt.Fprint(w, "\nFlags:\n")
	entry(w, "-c, --"+config.FileFlag+" file", "YAML file with any key; also "+config.EnvName(config.FileFlag)+".")
	for _, key := range config.Keys() {
		if key.Common {
			keyEntry(w, key)
		}
	}
	entry(w, "-h, --help", "Print this.")
	entry(w, "-v, --version", "Print the version.")
	fmt.Fprint(w, "\nFurther flags, and what others begin with:\n")
	for _, key := range config.Keys() {
		if !key.Common && !strings.Contains(key.Name, ".") {
			entry(w, "--"+key.Flag, key.Doc)
		}
	}
	for _, section := range config.Sections() {
		entry(w, "--"+section.Name+".", section.Doc)
	}
	fmt.Fprint(w, "\nmqtt-ws-bridge help config KEY explains a key or a section, such as limits; help keys explains all.\n")
}

// keyHelp prints every flag by section.
func keyHelp(w io.Writer) {
	section := "-"
	for _, key := range config.Keys() {
		if key.Flag == "" {
			continue // only a file can set it
		}
		name, _, dotted := strings.Cut(key.Name, ".")
		if !dotted {
			name = ""
		}
		if name != section {
			title := "Flags"
			if name != "" {
				title = "\nFlags of " + name
			}
			fmt.Fprintln(w, title+":")
			section = name
		}
		keyEntry(w, key)
	}
	fmt.Fprintln(w, "\nEvery flag is also a key of the file, dots being its levels, and an environment variable:"+
		"\n--limits.write-timeout 5s is "+config.EnvName("limits.write-timeout")+"=5s. A list takes commas,\nor its flag again."+
		"\n"+config.EnvName("access.connect.password")+"_FILE reads a value from a file;\n${NAME} in the file is a variable.")
}

func keyEntry(w io.Writer, key config.Key) {
	head := "--" + key.Flag + " " + string(key.Kind)
	if key.Kind == config.Bool {
		head = "--" + key.Flag
	}
	entry(w, head, keyText(key))
}

func keyText(key config.Key) string {
	text := key.Doc
	if key.Allowed != "" {
		text += " Allowed: " + key.Allowed + "."
	}
	if key.Default != "" && key.Default != `""` && key.Default != "[]" && key.Default != "{}" {
		text += " Default: " + key.Default + "."
	}
	return text
}

// explain prints what a key is and how to set it, or the keys of a section. False: there is no such key.
func explain(w io.Writer, name string) bool {
	keys := config.Find(name)
	for i, key := range keys {
		if i > 0 {
			fmt.Fprintln(w)
		}
		explainKey(w, key)
	}
	return len(keys) > 0
}

func explainKey(w io.Writer, key config.Key) {
	fmt.Fprintf(w, "%s (%s)\n", key.Name, key.Kind)
	wrap(w, "  ", keyText(key))
	value := key.Default
	if key.Kind == config.Records {
		value = "..."
	}
	if key.Flag != "" {
		fmt.Fprintf(w, "  flag      --%s %s\n  variable  %s\n", key.Flag, key.Kind, key.Env)
	}
	fmt.Fprintf(w, "  file      %s\n", key.InFile(value))
	for _, field := range key.Fields() {
		entry(w, "  "+field.Name+" "+string(field.Kind), keyText(field))
	}
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

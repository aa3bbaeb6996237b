package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mqtt-ws-bridge/config"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2 // wrong flags or configuration
)

// run is the program without its process: it reads only its arguments and the files they name, writes only to stdout and
// stderr, and returns the exit status.
func run(args, environ []string, stdout, stderr io.Writer) int {
	c := &cli{environ: environ, stdout: stdout, stderr: stderr}
	root := c.root()
	if err := oneDash(root, args); err != nil {
		fmt.Fprintf(stderr, "mqtt-ws-bridge: %v\n", err)
		return exitUsage
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintf(stderr, "mqtt-ws-bridge: %v\n", err)
		return exitUsage
	}
	return c.status
}

// cli is one run of the program. An error returned by a command is one of usage; everything else is a status.
type cli struct {
	environ        []string
	stdout, stderr io.Writer
	flags          *pflag.FlagSet
	status         int
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "mqtt-ws-bridge",
		Short:         "Let MQTT devices behind WebSockets reach any MQTT broker",
		Long:          "Accept MQTT over WebSocket from devices and carry it to a broker; without --upstream, to one inside this process.",
		Args:          noArguments,
		Run:           func(cmd *cobra.Command, _ []string) { c.serve(cmd.Context()) },
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       programVersion(),
	}
	c.flags = root.PersistentFlags()
	config.AddFlags(c.flags)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(help)
	root.SetVersionTemplate("{{.Version}}\n")
	root.Flags().BoolP("version", "v", false, "Print the version.")
	root.SetHelpCommand(c.helpCommand())
	root.AddCommand(c.checkCommand(), c.configCommand(), c.healthCommand(), c.versionCommand(), c.manCommand())
	addCompletions(root)
	return root
}

func (c *cli) checkCommand() *cobra.Command {
	var online bool
	cmd := &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Report every problem of the configuration",
		Long:  "Load the configuration as the bridge would, open the files it names and report every problem. Exit status 2 if there are any; warnings are none. FILE is the same as --config FILE. With --online, try brokers, key sets and callbacks too; exit status 1 if one does not answer.",
		Args:  oneArgument,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
		},
		Run: func(cmd *cobra.Command, args []string) {
			if len(args) == 1 && !c.setFile(cmd, args[0]) {
				return
			}
			cfg, origins := c.load(accessProblems)
			if cfg == nil {
				return
			}
			printWarnings(c.stderr, slices.Concat(tooSlowDrain(cfg), insecureCiphers(cfg), expiring(cfg)))
			if origins.Of("limits.sessions") != (config.Source{}) { // where it serves there may be others
				printWarnings(c.stderr, tooFewDescriptors(cfg))
			}
			if online && !checkOnline(cmd.Context(), cfg, c.stdout) {
				c.status = exitFailure
				return
			}
			fmt.Fprintln(c.stdout, "ok")
		},
	}
	cmd.Flags().BoolVar(&online, "online", false, "Connect to each broker and send CONNECT, fetch key sets, connect to callbacks; say what came of each on a line.")
	return cmd
}

func (c *cli) configCommand() *cobra.Command {
	var example bool
	cmd := &cobra.Command{
		Use:               "config [KEY]",
		Short:             "Print every value in effect and where it was set, or explain a key",
		Long:              "Print every key with the value in effect and where that was set. Secrets are shown as ***. With KEY, a key, a section, a flag or a variable, explain it instead.",
		Args:              oneArgument,
		ValidArgsFunction: completeKeys,
		Run: func(_ *cobra.Command, args []string) {
			if len(args) == 1 {
				c.explain(args[0])
				return
			}
			if example {
				fmt.Fprint(c.stdout, config.Example)
				return
			}
			if cfg, origins := c.load(nil); cfg != nil {
				printSettings(c.stdout, config.Effective(cfg, origins))
			}
		},
	}
	cmd.Flags().BoolVar(&example, "example", false, "Print a file with every key, its documentation and default instead.")
	return cmd
}

func (c *cli) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print what was built, from what and with what",
		Args:  noArguments,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintln(c.stdout, programVersion())
		},
	}
}

// helpCommand explains a command or, behind config, a key.
func (c *cli) helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND | config KEY | keys]",
		Short: "Explain a command, a key, or all keys",
		Args:  cobra.MaximumNArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 && args[0] == "config" {
				return completeKeys(cmd, nil, word)
			}
			if len(args) == 0 {
				return []string{"config", "keys", "check-config", "version"}, cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		Run: func(cmd *cobra.Command, args []string) {
			switch sub, rest, err := cmd.Root().Find(args); {
			case len(args) == 2 && args[0] == "config":
				c.explain(args[1])
			case len(args) == 1 && args[0] == "keys":
				keyHelp(c.stdout)
			case len(args) == 1 && sub == cmd.Root():
				c.explain(args[0])
			case err != nil || len(rest) > 0:
				fmt.Fprintf(c.stderr, "mqtt-ws-bridge: no help for %q\n", strings.Join(args, " "))
				c.status = exitUsage
			default:
				_ = sub.Help() // our own, which does not fail
			}
		},
	}
}

// explain prints what a key is.
func (c *cli) explain(name string) {
	if strings.Contains(name, "://") { // may hold a password
		name = "this"
	}
	if explain(c.stdout, name) {
		return
	}
	c.status = exitUsage
	fix := "mqtt-ws-bridge help keys lists every key"
	var names []string
	for _, key := range config.Keys() {
		names = append(names, key.Name)
	}
	if near := config.Nearest(name, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	fmt.Fprintf(c.stderr, "mqtt-ws-bridge: no key %q; %s\n", name, fix)
}

// setFile makes an argument the value of --config. False: both are there.
func (c *cli) setFile(cmd *cobra.Command, name string) bool {
	if c.flags.Changed(config.FileFlag) {
		fmt.Fprintf(c.stderr, "mqtt-ws-bridge: %s takes a file or --%s, not both\n", cmd.Name(), config.FileFlag)
		c.status = exitUsage
		return false
	}
	_ = c.flags.Set(config.FileFlag, name) // a text takes any
	return true
}

func (c *cli) serve(ctx context.Context) {
	cfg, _ := c.load(nil)
	if cfg == nil {
		return
	}
	log, setLog := newLiveLogger(cfg.Log, c.stderr, c.environ)
	load := func() (*config.Config, error) {
		cfg, _, err := config.Load(config.Input{Flags: c.flags, Environ: c.environ, Also: accessProblems})
		return cfg, err
	}
	c.status = serve(ctx, cfg, log, c.stdout, reloading{load, setLog})
}

// load returns nil after printing the problems, with those that also finds, and setting the status.
func (c *cli) load(also func(*config.Config, config.Origins) config.Problems) (*config.Config, config.Origins) {
	cfg, origins, err := config.Load(config.Input{Flags: c.flags, Environ: c.environ, Also: also})
	if err != nil {
		c.status = exitFailure
		var problems config.Problems
		if errors.As(err, &problems) {
			c.status = exitUsage
		}
		fmt.Fprintln(c.stderr, err)
		return nil, nil
	}
	return cfg, origins
}

func printSettings(w io.Writer, settings []config.Setting) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range settings {
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Key, s.Value, s.Source)
	}
	table.Flush()
}

// oneArgument lets one word through, which may not be a URL.
func oneArgument(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && !strings.Contains(args[0], "://") {
		return nil
	}
	if len(args) > 1 {
		args = args[1:]
	}
	return noArguments(cmd, args)
}

// oneDash finds a long flag behind one dash, which would be read as short ones: -config as -c with the value onfig.
func oneDash(root *cobra.Command, args []string) error {
	for _, arg := range args {
		if arg == "--" {
			return nil
		}
		name, single := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(name, "=") // what follows may be secret
		if single && len(name) > 1 && (root.PersistentFlags().Lookup(name) != nil || root.Flags().Lookup(name) != nil) {
			return fmt.Errorf("unknown flag -%s; did you mean --%s?", name, name)
		}
	}
	return nil
}

// noArguments refuses words that are neither flags nor commands, and guesses which command was meant.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if strings.Contains(args[0], "://") { // may hold a password
		return errors.New("a URL stands alone; write --upstream URL or --listen URL")
	}
	if cmd.HasParent() {
		return fmt.Errorf("%s takes no argument %q", cmd.Name(), args[0])
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return fmt.Errorf("unknown command %q%s", args[0], guess(args[0], names, ""))
}

// flagError rewords what pflag says, and guesses which flag was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	name, dashes := unknown.GetSpecifiedName(), "--"
	if short := unknown.GetSpecifiedShortnames(); short != "" { // a long flag with one dash, most likely
		name, _, _ = strings.Cut(short, "=") // what follows may be secret
		dashes = "-"
	}
	if hint := config.FlagHint(name); hint != "" {
		return fmt.Errorf("unknown flag %s%s; %s", dashes, name, hint)
	}
	return fmt.Errorf("unknown flag %s%s%s", dashes, name, guess(name, names, "--"))
}

func guess(word string, words []string, prefix string) string {
	if near := config.Nearest(word, words); near != "" {
		return "; did you mean " + prefix + near + "?"
	}
	return "; see mqtt-ws-bridge --help"
}

// Command benchpeers measures the bridge against its peers and writes what it finds as a page of the documentation.
//
// It installs nginx, HAProxy and Mosquitto from Debian's packages, builds the bridge, the naive bridge and firmware-sim, and puts
// each peer in turn before the same null upstream (package null). firmware-sim loads them; the processor time and memory of
// the peer's processes are read from the kernel while it does. Rounds are interleaved: each peer does each load once in a round, in
// an order that turns, so that a slow minute of the machine hits all. A load in which a message was lost ends the
// program without a table: speed without delivery does not count.
//
//	go run ./internal/benchpeers -quick           # under a minute, prints the table
//	go run ./internal/benchpeers -out docs        # what make bench-peers does: writes benchmarks.md and its plots there
//	go run ./internal/benchpeers -only up,qos1    # loads whose names begin so
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// options are what the flags say.
type options struct {
	rounds  int
	quick   bool
	out     string
	only    string
	with    string
	profile string
	record  string
	from    string
	verbose bool
	command string // as it was given
}

// run is the program without its process.
func run(args []string, stdout, stderr io.Writer) int {
	var o options
	flags := flag.NewFlagSet("benchpeers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 5, "interleaved rounds")
	flags.BoolVar(&o.quick, "quick", false, "one short round, no growth: shows that everything works, its figures are worth little")
	flags.StringVar(&o.out, "out", "", "directory for benchmarks.md and its plots (default: print the page)")
	flags.StringVar(&o.only, "only", "", "only the loads whose names begin with one of these, between commas")
	flags.StringVar(&o.with, "with", "", "one more bridge as a peer, with this flag, such as --event-loops=off, or of this binary, a path")
	flags.StringVar(&o.profile, "profile", "", "directory for processor profiles of the bridge, one for each load; they cost time, so the figures are none")
	flags.StringVar(&o.record, "record", "", "file that keeps all samples, for -from")
	flags.StringVar(&o.from, "from", "", "make the page of the samples in this file instead of new ones")
	flags.BoolVar(&o.verbose, "v", false, "print every sample")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 || o.rounds < 1 {
		fmt.Fprintln(stderr, "benchpeers: see -help")
		return 2
	}
	o.command = "go run ./internal/benchpeers"
	flags.Visit(func(f *flag.Flag) {
		if f.Name != "record" && f.Name != "out" && f.Name != "v" { // they change no figure
			o.command += " -" + f.Name + "=" + f.Value.String()
		}
	})
	if o.from != "" {
		if err := o.again(stdout); err != nil {
			fmt.Fprintf(stderr, "benchpeers: %v\n", err)
			return 1
		}
		return 0
	}
	s := newStage(stderr)
	begin := time.Now()
	if err := s.perform(func() { benchmark(s, o, stdout) }); err != nil {
		fmt.Fprintf(stderr, "benchpeers: %v\n", err)
		return 1
	}
	fmt.Fprintf(stderr, "done in %v\n", time.Since(begin).Round(time.Second))
	return 0
}

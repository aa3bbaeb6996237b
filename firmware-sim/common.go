package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/fleet"
	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/report"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// common are the flags that all subcommands share: where to connect, as whom, and how to report.
type common struct {
	url, ca, cert, key, serverName string
	insecure                       bool
	source                         string
	names                          fleet.Namer
	credentials                    string
	headers                        []string
	seed                           uint64
	timeout                        time.Duration
	json                           bool
	junit                          string
}

func (c *common) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.url, "url", "", "endpoint: ws://HOST:PORT/PATH, wss://, tcp:// or ssl://")
	c.registerRest(flags)
}

func (c *common) registerRest(flags *pflag.FlagSet) {
	flags.StringVar(&c.ca, "tls-ca", "", "PEM file with the certificate authorities to trust")
	flags.StringVar(&c.cert, "tls-cert", "", "PEM file with a client certificate")
	flags.StringVar(&c.key, "tls-key", "", "PEM file with its key")
	flags.StringVar(&c.serverName, "tls-name", "", "server name for SNI and verification, instead of the URL's")
	flags.BoolVar(&c.insecure, "tls-insecure", false, "do not verify the server's certificate")
	flags.StringVar(&c.source, "source", "", "spread source addresses over this prefix, such as 127.0.0.0/8, where local ports run out")
	flags.StringVar(&c.names.ClientID, "client-id", "fsim-{seed}-{n}", "client id per device; {n} is its number, {seed} the seed")
	flags.StringVar(&c.names.Username, "username", "", "user name per device; {n}, {seed} and {id} are filled in")
	flags.StringVar(&c.names.Password, "password", "", "password per device; {n}, {seed} and {id} are filled in")
	flags.StringVar(&c.credentials, "credentials", "", "CSV file with client-id,username,password, a line per device")
	flags.StringArrayVar(&c.headers, "header", nil, "further handshake header line, 'Name: value' (repeatable)")
	flags.Uint64Var(&c.seed, "seed", 1, "same seed, same fleet behaviour")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "for connecting, handshakes, acknowledgements and writes")
	flags.BoolVar(&c.json, "json", false, "print the result as JSON")
	flags.StringVar(&c.junit, "junit", "", "write the verdict to this JUnit file")
}

// endpoint builds the endpoint of --url, or of another URL with the same TLS flags.
func (c *common) endpoint(url string) (*wire.Endpoint, error) {
	if url == "" {
		return nil, usageError{errors.New("--url is missing: say where the devices connect to")}
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	if err := c.placeForJUnit(); err != nil {
		return nil, err
	}
	e, err := wire.NewEndpoint(url, config)
	if err != nil {
		return nil, usageError{err}
	}
	e.Timeout = c.timeout
	if c.source != "" {
		if e.Source, err = netip.ParsePrefix(c.source); err != nil {
			return nil, usageError{fmt.Errorf("--source: %w", err)}
		}
	}
	return e, nil
}

// placeForJUnit makes sure that the result has a place before a run lasts an hour, and that no older result stands there for
// one that did not come about.
func (c *common) placeForJUnit() error {
	if c.junit == "" {
		return nil
	}
	file, err := os.OpenFile(c.junit, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return couldNotRun{fmt.Errorf("--junit: %w", err)}
	}
	info, err := file.Stat()
	_ = file.Close()
	if err == nil && info.Mode().IsRegular() {
		err = os.Remove(c.junit)
	}
	if err != nil {
		return couldNotRun{fmt.Errorf("--junit: %w", err)}
	}
	return nil
}

func (c *common) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName, InsecureSkipVerify: c.insecure} //nolint:gosec // asked for by flag
	if c.ca != "" {
		pem, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, couldNotRun{fmt.Errorf("--tls-ca: %w", err)}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, couldNotRun{fmt.Errorf("--tls-ca: no certificate in %s", c.ca)}
		}
	}
	if (c.cert == "") != (c.key == "") {
		return nil, usageError{errors.New("--tls-cert and --tls-key go together")}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return nil, couldNotRun{fmt.Errorf("client certificate: %w", err)}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// settings fills what devices share.
func (c *common) settings() (device.Settings, error) {
	e, err := c.endpoint(c.url)
	if err != nil {
		return device.Settings{}, err
	}
	if c.credentials != "" {
		if err := c.names.LoadCSV(c.credentials); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return device.Settings{}, usageError{err}
			}
			return device.Settings{}, couldNotRun{err}
		}
	}
	return device.Settings{Endpoint: e, Timeout: c.timeout, Headers: c.headers, Seed: c.seed}, nil
}

// finish prints a result in the form asked for and turns a bad verdict into an exit code.
func (c *common) finish(cmd *cobra.Command, result any, table func(io.Writer) error, cases []report.Case, clean bool) error {
	out := cmd.OutOrStdout()
	var err error
	if c.json {
		err = report.JSON(out, result)
	} else {
		err = table(out)
	}
	if err == nil && c.junit != "" {
		err = report.JUnit(c.junit, cases)
	}
	if err != nil {
		return couldNotRun{err}
	}
	if !clean {
		return errVerdict
	}
	return nil
}

func parseVersion(text string) (packet.Version, error) {
	if text == "" {
		return 0, nil
	}
	v, err := packet.ParseVersion(text)
	if err != nil {
		return 0, usageError{fmt.Errorf("--mqtt: %w", err)}
	}
	return v, nil
}

// progress returns a function that shows lines on w: in place on a terminal, every tenth one elsewhere.
func progress(w io.Writer) (show func(string), done func()) {
	file, ok := w.(*os.File)
	if ok && term.IsTerminal(int(file.Fd())) {
		return func(line string) { fmt.Fprintf(w, "\r\x1b[K%s", line) }, func() { fmt.Fprint(w, "\r\x1b[K") }
	}
	n := 0
	return func(line string) {
		if n++; n%10 == 0 {
			fmt.Fprintln(w, line)
		}
	}, func() {}
}

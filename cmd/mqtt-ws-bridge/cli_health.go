package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mqtt-ws-bridge/config"
)

// healthTimeout is how long a bridge may take to say how it is: less than the checks of container engines.
const healthTimeout = 3 * time.Second

// healthCommand asks a running bridge, for images without a shell.
func (c *cli) healthCommand() *cobra.Command {
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the bridge that runs here whether it is well",
		Long: "Ask admin.listen for /healthz, or with --ready for /readyz, and print the answer. Exit status 0 if it is good, 1 if not. It needs the " +
			"variables or the file that the bridge has; of its flags only --admin counts, unless that is the default or all addresses.",
		Args: noArguments,
		Run: func(cmd *cobra.Command, _ []string) {
			// A file that was spoilt since says nothing about the bridge that runs.
			cfg, _, err := config.Load(config.Input{Flags: c.flags, Environ: c.environ, Anyway: true})
			if cfg == nil {
				fmt.Fprintln(c.stderr, err)
				c.status = exitUsage
				return
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			answer, err := askAdmin(cmd.Context(), cfg.Admin.Listen, path)
			if err != nil {
				fmt.Fprintf(c.stderr, "mqtt-ws-bridge: %v\n", err)
				c.status = exitFailure
				return
			}
			fmt.Fprintln(c.stdout, answer)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "Ask whether a device would be taken now, which a broker that is down prevents.")
	return cmd
}

// askAdmin returns the answer of the operator's listener, and an error unless it is 200.
func askAdmin(ctx context.Context, listen, path string) (string, error) {
	if listen == "" {
		return "", errors.New("admin.listen is off: there is nobody to ask")
	}
	a, err := config.ParseListen(listen)
	if err != nil {
		return "", err
	}
	address := a.Address
	if host, port, err := net.SplitHostPort(address); err == nil && a.Network != "unix" {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("127.0.0.1", port)
		}
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, a.Network, address)
	}}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	answer := strings.TrimSpace(string(text))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return answer, err
}

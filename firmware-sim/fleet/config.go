// Package fleet runs many devices at once, has a witness receive what they send, and says at the end what was lost,
// doubled, late or broken. It opens connections only through package device.
package fleet

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"mqtt-ws-bridge/firmware-sim/device"
	"mqtt-ws-bridge/firmware-sim/impair"
	"mqtt-ws-bridge/firmware-sim/payload"
	"mqtt-ws-bridge/firmware-sim/profile"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// Config describes a run. Two runs with equal Configs make the same devices, which say the same things in the same
// order; only time and the network differ.
type Config struct {
	Device  device.Settings
	Witness *wire.Endpoint // where the verifying subscriber listens; nil means Device.Endpoint
	// WitnessLogin is the witness's user name and password; empty means the first device's.
	WitnessLogin [2]string

	Devices  int
	Mix      profile.Mix
	Duration time.Duration // of sending, counted from the last device's start
	Messages int           // per device; 0 means as many as Duration allows
	Rate     float64       // messages per second and device
	Ramp     time.Duration // over which devices start
	QoS      [3]float64    // weights
	Model    string
	Codec    *payload.Codec
	Prefix   string // of topics: PREFIX/ID/data, /state, /cmd, /answer
	IDs      Namer
	Birth    bool          // retained birth and last will
	Commands float64       // commands per second for the whole fleet
	Drain    time.Duration // nothing moving for so long, on a good line, is the end
	// DrainLimit bounds the waiting for devices at the end; 0 means a minute.
	DrainLimit time.Duration
	Doze       time.Duration // replaces the modifier's interval
	Sleep      time.Duration
	Limits     Limits
	// Impair adds to or replaces what profiles suffer, by profile name.
	Impair map[string]impair.Spec
	// Extra, when set, gives a device further behaviour (updates); it may return nil.
	Extra func(id string, index int, p *profile.Profile) Extra
	// Until, when not nil, ends the run as soon as it is closed.
	Until <-chan struct{}
	// Drops means that Extra lets connections go.
	Drops bool
	// Findings, when set, adds to the verdict.
	Findings func() []Finding
	// Progress is called about once a second while the run lasts.
	Progress func(Progress)
}

// Limits are what a verdict tolerates.
type Limits struct {
	Loss float64       // share of messages
	P99  time.Duration // end-to-end, every QoS; 0 for no limit
	// Losses is how many connections may be lost, beside those that a profile or an impairment is there to lose.
	Losses int64
}

// Namer gives devices their names and credentials.
type Namer struct {
	ClientID, Username, Password string // templates with {n} and {seed}
	rows                         [][3]string
}

// LoadCSV reads client id, user name and password per device from a file; further devices use the templates.
func (n *Namer) LoadCSV(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	defer func() { _ = file.Close() }()
	reader := csv.NewReader(io.LimitReader(file, 64<<20))
	reader.FieldsPerRecord = 3
	for {
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("credentials %s: %w (want client-id,username,password on each line)", path, err)
		}
		n.rows = append(n.rows, [3]string(row))
	}
}

// Name returns the i-th device's client id, user name and password.
func (n *Namer) Name(i int, seed uint64) (id, username, password string) {
	if i < len(n.rows) {
		r := n.rows[i]
		return r[0], r[1], r[2]
	}
	replace := strings.NewReplacer("{n}", fmt.Sprintf("%05d", i), "{seed}", strconv.FormatUint(seed, 10)).Replace
	id = replace(n.ClientID)
	fill := func(t string) string { return replace(strings.ReplaceAll(t, "{id}", id)) }
	return id, fill(n.Username), fill(n.Password)
}

// Validate says what is wrong with a Config, in words for the command line.
func (c *Config) Validate() error {
	switch {
	case c.Devices < 1 || c.Devices > 1_000_000:
		return errors.New("--devices: want 1 to 1000000")
	case c.Duration <= 0 && c.Messages <= 0:
		return errors.New("say how long: --duration or --messages")
	case c.Rate < 0 || c.Messages > 0 && c.Rate == 0 || c.Rate > 1e6:
		return errors.New("--rate: want messages per second and device, above 0 (0 only with --duration, for idle devices)")
	case c.QoS[0]+c.QoS[1]+c.QoS[2] <= 0:
		return errors.New("--qos: want at least one of 0, 1, 2")
	case !strings.Contains(c.IDs.ClientID, "{n}") && c.Devices > max(1, len(c.IDs.rows)):
		return errors.New("--client-id: want {n} in it, or devices would take over each other's sessions")
	case c.Drain <= 0 || c.DrainLimit < 0:
		return errors.New("--drain and --drain-limit: want a time above 0")
	case strings.ContainsAny(c.Prefix, "+#"):
		return errors.New("--prefix: a topic prefix holds no + and no #")
	}
	return nil
}

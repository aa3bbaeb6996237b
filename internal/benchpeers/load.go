package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"time"
)

// load is what the devices of one measurement do.
type load struct {
	name     string // what -only selects by
	mode     string // of firmware-sim load
	devices  int
	size     int // of payloads
	batch    int // frames per write
	window   int // messages under way per device in closed loops
	rate     int // messages per second of all devices, 0 for saturated
	messages int // for each device, in mode down
	secure   bool
	broker   bool // the real Mosquitto, not the null upstream
	duration time.Duration
}

// drained is how long a down load may take at most.
const drained = 60 * time.Second

// simResult is what is read of firmware-sim's result.
type simResult struct {
	Devices   int           `json:"devices"`
	Connected int           `json:"connected"`
	Measured  time.Duration `json:"measured_ns"`
	Sent      int64         `json:"sent"`
	Received  int64         `json:"received"`
	Acked     int64         `json:"acked"`
	FloodSent int64         `json:"flood_sent"`
	Connects  int64         `json:"connects"`
	Flushed   int           `json:"flushed"`
	Lost      int64         `json:"lost"`
	Latency   struct {
		P50 time.Duration `json:"p50_ns"`
		P99 time.Duration `json:"p99_ns"`
	} `json:"latency"`
	Errors []string `json:"errors"`
}

// arguments are firmware-sim's for this load at an endpoint; broker is the real one's plain address.
func (l load) arguments(url, broker, ca string) []string {
	n := strconv.Itoa
	args := []string{"load", "--url", url, "--mode", l.mode, "--json", "--tls-ca", ca, "--tls-name", serverName,
		"--devices", n(l.devices), "--size", n(l.size), "--batch", n(max(1, l.batch)), "--window", n(max(1, l.window)),
		"--rate", n(l.rate), "--timeout", "20s"}
	switch {
	case l.mode != "down":
		return append(args, "--duration", l.duration.String())
	case l.broker:
		return append(args, "--duration", l.duration.String(), "--flood", "1", "--broker", "tcp://"+broker)
	}
	return append(args, "--duration", drained.String(), "--messages", n(l.messages))
}

// simulate runs firmware-sim and returns what it found. A verdict against the peer is an error.
func simulate(binary string, args []string) (*simResult, error) {
	cmd := exec.Command(binary, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	failed := cmd.Run()
	var r simResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, fmt.Errorf("firmware-sim %v: %v\n%s", args, failed, complaints.Bytes())
	}
	if failed != nil {
		return nil, fmt.Errorf("firmware-sim %v: %v: %+v", args, failed, r)
	}
	return &r, nil
}

// lost says what was lost on the way, comparing what firmware-sim and the null upstream counted at their ends; "" for nothing.
func (l load) lost(r *simResult, published, flooded int64) string {
	switch {
	case r.Connected != l.devices && l.mode != "connect":
		return fmt.Sprintf("%d of %d devices were online", r.Connected, l.devices)
	case r.Lost != 0 || len(r.Errors) > 0:
		return fmt.Sprintf("%d messages, errors %v", r.Lost, r.Errors)
	case l.mode == "qos1" && r.Acked != r.Sent:
		return fmt.Sprintf("%d of %d messages were acknowledged", r.Acked, r.Sent)
	case l.mode == "rtt" && r.Received != r.Sent:
		return fmt.Sprintf("%d of %d messages came back", r.Received, r.Sent)
	case l.broker:
		return ""
	case l.mode == "down" && (r.Received != flooded || flooded != int64(l.devices*l.messages)):
		return fmt.Sprintf("%d messages were flooded, %d received, %d meant", flooded, r.Received, l.devices*l.messages)
	case published != r.Sent:
		return fmt.Sprintf("%d of %d messages reached the upstream", published, r.Sent)
	}
	return ""
}

// operations is by how many the cost of the load is divided.
func (l load) operations(r *simResult) int64 {
	switch l.mode {
	case "down":
		return r.Received
	case "connect":
		return r.Connects
	}
	return r.Sent
}

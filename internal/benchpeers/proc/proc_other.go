//go:build !linux

package proc

import (
	"errors"
	"runtime"
	"time"
)

var errLinux = errors.New("processor time and memory of other processes are read on Linux only")

// CPU works on Linux only.
func CPU(int) (time.Duration, error) { return 0, errLinux }

// PSS works on Linux only.
func PSS(int) (int64, error) { return 0, errLinux }

// RSS works on Linux only.
func RSS(int) (int64, error) { return 0, errLinux }

// Load is known on Linux only.
func Load() string { return "unknown" }

// Machine describes the machine.
func Machine() string { return runtime.GOOS + "/" + runtime.GOARCH }

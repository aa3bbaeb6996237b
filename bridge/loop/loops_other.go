//go:build !linux

package loop

import "mqtt-ws-bridge/bridge/drive"

// Loops do not exist on this system.
type Loops struct{}

// New returns ErrUnsupported.
func New(int) (*Loops, error) { return nil, ErrUnsupported }

// Close does nothing.
func (*Loops) Close() error { return nil }

// Register returns ErrUnsupported.
func (*Loops) Register(drive.Served, drive.Rewirable, drive.Rewirable) (drive.Registration, error) {
	return nil, ErrUnsupported
}
